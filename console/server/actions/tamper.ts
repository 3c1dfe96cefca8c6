/** Changes one row of a replica directly in its database, so that a verification finds a difference. */
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { EntityId } from "../../../contracts/entity/document.ts";
import { RequestError } from "../../../contracts/errors.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";

/**
 * Reverses the value of the replica's first text field. Length and version stay the same, so only a comparison of the
 * contents detects the change.
 *
 * @returns the name of the changed field.
 * @throws {RequestError} NOT_FOUND when the replica does not have the entity, or no text field of it can be changed.
 * @throws {Error} when the replica's database does not answer.
 */
export async function tamper(sql: Sql, entity: EntityDeclaration, replica: string, id: EntityId): Promise<string> {
  const fields = entity.replicas.find(({ name }) => name === replica)?.fields ?? {};
  const [row] = await sql<{ doc: Record<string, unknown> }[]>`
    select to_jsonb(t) as doc from ${sql(entity.plural)} t where id = ${id}`;
  const field = Object.keys(fields).find(
    (name) => fields[name]!.kind === "text" && changesWhenReversed(row?.doc[fields[name]!.column]),
  );
  if (!row || field === undefined)
    throw new RequestError("NOT_FOUND", `${replica} has no ${entity.name} ${id} with a text field to change.`);
  const { column } = fields[field]!;
  await sql`update ${sql(entity.plural)} set ${sql(column)} = reverse(${sql(column)}) where id = ${id}`;
  return field;
}

const changesWhenReversed = (value: unknown): boolean =>
  typeof value === "string" && value.length > 1 && value !== [...value].reverse().join("");
