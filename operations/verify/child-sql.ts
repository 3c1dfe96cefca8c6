/** SQL that renders the rows of a child table that belong to one row of its parent. Pure. */
import { quotedName, quotedTable } from "../../contracts/entity/table.ts";
import type { DeclaredChild } from "./declared-table.ts";
import { idOf } from "./key-sql.ts";
import type { TableColumn, TableColumns } from "./table-columns.ts";
import { jsonOf, type PairExpressions, textsOf } from "./value-sql.ts";

/** A child table on one side. */
export interface ChildTable {
  /** Columns of the parent's key, in its order. */
  readonly parentKey: readonly string[];
  readonly declared: DeclaredChild;
  readonly columns: TableColumns;
}

/** Alias of a child's row. */
const CHILD = "lockstep_child";

/**
 * The text of all rows of a parent, in the order of their ids: the same order in both databases, whatever their
 * collations are.
 *
 * @param parent alias of the parent's row.
 */
export function textOfChildren(source: ChildTable, replica: ChildTable, parent: string): PairExpressions {
  const pairs = [...replica.declared.columns.keys()].map((member) => {
    const from = source.declared.columns.get(member)!;
    const to = replica.declared.columns.get(member)!;
    return textsOf(
      {
        source: source.columns.get(from.column)!,
        replica: replica.columns.get(to.column)!,
        inMilliseconds: from.inMilliseconds,
        hasScale: from.hasScale,
      },
      CHILD,
    );
  });
  const textOf = (side: keyof PairExpressions, table: ChildTable) => {
    const row = `row(${pairs.map((pair) => pair[side]).join(", ")})::text`;
    return `(select array_agg(${row} order by ${orderOf(table)})::text ${fromParent(table, parent)})`;
  };
  return { source: textOf("source", source), replica: textOf("replica", replica) };
}

/** All rows of a parent as a JSON list. @param parent alias of the parent's row. */
export function jsonOfChildren(table: ChildTable, parent: string): string {
  const members = [...table.declared.columns.values()].map(
    ({ column, isNullable }) => `${jsonOf(table.columns.get(column)!, isNullable, CHILD)} as ${quotedName(column)}`,
  );
  const row = `(select to_jsonb(c) from (select ${members.join(", ")}) as c)`;
  return `(select coalesce(jsonb_agg(${row} order by ${documentOrderOf(table)}), '[]') ${fromParent(table, parent)})`;
}

const orderOf = ({ declared, columns }: ChildTable): string =>
  idOf(
    declared.key.map((column) => columns.get(column)!),
    CHILD,
  );

/** The order that the lists of documents have. */
const documentOrderOf = ({ declared, columns }: ChildTable): string =>
  declared.key
    .map((column) => `${CHILD}.${quotedName(column)}${isCollated(columns.get(column)!) ? ' collate "C"' : ""}`)
    .join(", ");

const isCollated = ({ family }: TableColumn): boolean => ["text", "varchar", "bpchar", "citext"].includes(family);

function fromParent({ declared, parentKey }: ChildTable, parent: string): string {
  const conditions = declared.parentKey.map(
    (column, i) => `${CHILD}.${quotedName(column)} = ${parent}.${quotedName(parentKey[i]!)}`,
  );
  return `from ${quotedTable(declared.table)} as ${CHILD} where ${conditions.join(" and ")}`;
}
