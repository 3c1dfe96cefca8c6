/** Changes one row of a replica behind Lockstep's back, as somebody with psql could, so that a verification has something to find. */
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { EntityId } from "../../../contracts/entity/document.ts";
import { columnOf } from "../../../contracts/entity/row.ts";
import { RequestError } from "../../../contracts/errors.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";

/**
 * Reverses the first text that the replica has, so that it stays as long as it was. Its version stays too: nothing but a comparison of
 * contents can see it.
 *
 * @returns the field. @throws {RequestError} NOT_FOUND when the replica has no such row, or nothing of it can be changed.
 */
export async function tamper(sql: Sql, entity: EntityDeclaration, replica: string, id: EntityId): Promise<string> {
  const fields = entity.replicas.find(({ name }) => name === replica)?.fields ?? {};
  const [row] = await sql<{ doc: Record<string, unknown> }[]>`
    select to_jsonb(t) as doc from ${sql(entity.plural)} t where id = ${id}`;
  const field = Object.keys(fields).find((name) => isReversible(row?.doc[columnOf(name)]));
  if (!row || field === undefined)
    throw new RequestError("NOT_FOUND", `${replica} has no ${entity.name} ${id} with a text to change.`);
  const column = columnOf(field);
  await sql`update ${sql(entity.plural)} set ${sql(column)} = reverse(${sql(column)}) where id = ${id}`;
  return field;
}

const isReversible = (value: unknown): boolean =>
  typeof value === "string" && value.length > 1 && value !== [...value].reverse().join("");
