/** Changes one row of a replica directly in its database, so that a verification finds a difference. */
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { EntityId } from "../../../contracts/entity/document.ts";
import { quotedName } from "../../../contracts/entity/table.ts";
import { RequestError } from "../../../contracts/errors.ts";
import { ROW, replicaKey } from "../../../operations/verify/compared-columns.ts";
import { liveTables } from "../../../operations/verify/comparison-target.ts";
import { replicaTable } from "../../../operations/verify/declared-table.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";

/**
 * Reverses the value of the replica's first text field. Length and version stay the same, so only a comparison of the
 * contents detects the change.
 *
 * @returns the name of the changed field.
 * @throws {RequestError} NOT_FOUND when the replica does not have the entity, or no text field of it can be changed.
 * @throws {Error} when the replica's database does not answer.
 */
export async function tamper(sql: Sql, entity: EntityDeclaration, name: string, id: EntityId): Promise<string> {
  const replica = entity.replicas.find((declared) => declared.name === name);
  if (!replica) throw new RequestError("NOT_FOUND", `${name} keeps no ${entity.name}.`);
  const { key, columns } = replicaTable(replica);
  const { from, isRequested } = await replicaKey(liveTables(sql, entity, replica));
  const [row] = await sql.unsafe<{ doc: Record<string, unknown> }[]>(
    `select to_jsonb(${ROW}) as doc from (select $1::text as id) as requested, ${from} where ${isRequested}`,
    [id],
  );
  const changed = [...columns].find(([, { column }]) => !key.includes(column) && isReversible(row?.doc[column]));
  if (!row || !changed)
    throw new RequestError("NOT_FOUND", `${name} has no ${entity.name} ${id} with a text field to change.`);
  const [member, { column }] = changed;
  await sql.unsafe(
    `update ${from} set ${quotedName(column)} = reverse(${ROW}.${quotedName(column)})
     from (select $1::text as id) as requested where ${isRequested}`,
    [id],
  );
  return member;
}

/** Only a text without digits: the reverse of a time or a UUID is none. */
const isReversible = (value: unknown): value is string =>
  typeof value === "string" && value.length > 1 && !/^[\d{[(]/.test(value) && value !== [...value].reverse().join("");
