/**
 * The SQL of one entity: the files of this folder with `{table}` and `{columns}` filled in from the declaration.
 *
 * A write is part of one statement and therefore of one transaction. Its row, version, outbox row (by trigger) and
 * idempotency key are committed together, and a lost connection cannot leave a part of them. The text is the same for
 * every change, whatever members it has, because each text is a prepared statement in every connection.
 */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import insert from "./insert.sql" with { type: "text" };
import list from "./list.sql" with { type: "text" };
import read from "./read.sql" with { type: "text" };
import remove from "./remove.sql" with { type: "text" };
import storeKey from "./store-key.sql" with { type: "text" };
import taken from "./taken.sql" with { type: "text" };
import update from "./update.sql" with { type: "text" };

/** The texts of one kind of write. Every text is a prepared statement of its own. */
export interface WriteStatement {
  /**
   * @param storesKeys at least one of the writes has an idempotency key.
   * @param checksTaken the statement answers writes whose unique value is taken, instead of failing. It costs some 8 µs
   * for each write, so it is used only while values are taken often.
   */
  text(options: { readonly storesKeys: boolean; readonly checksTaken: boolean }): string;
}

/** The statements of one entity. */
export interface Statements {
  readonly insert: WriteStatement;
  readonly update: WriteStatement;
  readonly remove: WriteStatement;
  readonly read: string;
  readonly list: string;
}

/** Fills the statements in for one entity. */
export function statementsOf(entity: EntityDeclaration): Statements {
  const table = quoted(entity.plural);
  const columns = Object.values(entity.fields)
    .filter(({ readOnly }) => !readOnly)
    .map(({ column }) => quoted(column))
    .join(", ");
  const fill = (text: string) => text.replaceAll("{table}", table).replaceAll("{columns}", columns);
  const writeStatement = (text: string, takenCase?: string): WriteStatement => {
    const texts = [false, true].map((checksTaken) =>
      ["", storeKey].map((key) =>
        fill(
          text
            .replace("{store_key}", () => key)
            .replace("{taken}", () => (checksTaken && takenCase) || "null::text")
            .replace("{or_taken}", checksTaken && takenCase ? OR_TAKEN : ""),
        ),
      ),
    );
    return { text: ({ storesKeys, checksTaken }) => texts[Number(checksTaken)]![Number(storesKeys)]! };
  };
  return {
    insert: writeStatement(
      insert,
      takenCaseOf(entity, BEFORE_ROW_INSERT, (column) => `given.${column}`),
    ),
    update: writeStatement(
      update,
      takenCaseOf(
        entity,
        BEFORE_ROW_UPDATE,
        (column) => `(jsonb_populate_record(null::{table}, given.change)).${column}`,
      ),
    ),
    remove: writeStatement(remove),
    read: fill(read),
    list: fill(list),
  };
}

const OR_TAKEN = `
union all select id, null, null, lockstep_taken from requested where lockstep_taken is not null`;
/** Bits of `pg_trigger.tgtype`: for each row, before it, at this event. */
const BEFORE_ROW_INSERT = 1 + 2 + 4;
const BEFORE_ROW_UPDATE = 1 + 2 + 16;

/** @returns an SQL expression: the member whose value is taken, or null. Undefined for an entity without unique members. */
function takenCaseOf(
  entity: EntityDeclaration,
  beforeRow: number,
  givenValue: (column: string) => string,
): string | undefined {
  const { unique, fields } = entity;
  const branches = unique.map((member) =>
    taken
      .replaceAll("{value}", givenValue(quoted(fields[member]!.column)))
      .replaceAll("{column}", quoted(fields[member]!.column))
      .replaceAll("{constraint}", uniqueConstraintOf(entity, member))
      .replaceAll("{before_row}", String(beforeRow))
      .replaceAll("{member}", member),
  );
  return branches.length === 0 ? undefined : `case\n${branches.join("")}end`;
}

/** Name of the constraint that makes a member unique, as PostgreSQL chooses it. */
export const uniqueConstraintOf = ({ table, fields }: EntityDeclaration, member: string): string =>
  `${table.name}_${fields[member]!.column}_key`;

/** Quotes a name, because a field may have the name of an SQL keyword: `order`. */
const quoted = (name: string): string => `"${name}"`;
