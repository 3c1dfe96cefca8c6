/** Finds taken values before PostgreSQL does, so that one of them does not undo the writes of others. */
import { quotedName, quotedTable } from "../../contracts/entity/table.ts";
import { hasKey, keyColumns, keyTextOf, literal } from "./expressions.ts";
import { fillIn } from "./fill-in.ts";
import { hasKeyOf, hasUuid, type StatementEntity } from "./parts.ts";
import taken from "./taken.sql" with { type: "text" };

/** The answers of an insert to rows whose value is taken. */
export function takenRows(entity: StatementEntity): string {
  const key = keyColumns(entity.fields, entity.key);
  const id = hasUuid(entity) ? `requested.${key[0]!.column}` : keyTextOf(key, "requested");
  return `
union all select ${id}, null, null, lockstep_taken${entity.version ? "" : ", null"}
from requested where lockstep_taken is not null`;
}

/** Bits of `pg_trigger.tgtype`: for each row, before it, at this event. */
const BEFORE_ROW = { insert: 1 + 2 + 4, update: 1 + 2 + 16 };

/**
 * An SQL expression: the member whose value is taken, or null. Undefined for an entity without unique members and with
 * a key that the gateway or the database makes.
 */
export function takenCase(entity: StatementEntity, kind: "insert" | "update"): string | undefined {
  const { fields, key, unique } = entity;
  const table = quotedTable(entity.table);
  const branch = (members: readonly string[], sameValue: string, otherRow: string) =>
    fillIn(taken, {
      table,
      relation: `${literal(table)}::regclass`,
      same_value: sameValue,
      other_row: otherRow,
      columns: literal(`{${members.map((member) => JSON.stringify(fields[member]!.column)).join(",")}}`),
      before_row: String(BEFORE_ROW[kind]),
      member: literal(members[0]!),
    });
  const given = kind === "insert" ? "given" : `(jsonb_populate_record(null::${table}, given.change))`;
  const branches = unique.map((member) => {
    const column = quotedName(fields[member]!.column);
    const otherRow = kind === "insert" ? "" : ` and not (${hasKeyOf(entity, "given.id", "other")})`;
    return branch([member], `other.${column} = ${given}.${column}`, otherRow);
  });
  if (kind === "insert" && key.some((member) => !fields[member]!.readOnly)) {
    const columns = keyColumns(fields, key);
    branches.unshift(
      branch(
        key,
        hasKey(
          columns,
          "other",
          columns.map(({ column }) => `given.${column}`),
        ),
        "",
      ),
    );
  }
  return branches.length === 0 ? undefined : `case\n${branches.join("")}end`;
}
