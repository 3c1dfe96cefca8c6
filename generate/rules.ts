/** Constraints and indexes that a table of Drizzle declares, as SQL. Pure. */
import { getTableColumns, is, SQL } from "drizzle-orm";
import { type ForeignKey, getTableConfig, IndexedColumn, type PgColumn, type PgTable } from "drizzle-orm/pg-core";
import type { Fields } from "../contracts/entity/field.ts";
import { tableOf } from "../contracts/entity/table-fields.ts";
import { expressionText } from "./expression.ts";
import { identifier, identifiers, objectName, tableText } from "./names.ts";
import type { RuleState } from "./snapshot.ts";

/** The rules of a table by name. @param fields have the names of its columns. */
export function rulesOf(table: PgTable, fields: Fields): Record<string, RuleState> {
  const { name, columns, uniqueConstraints, foreignKeys, checks, indexes } = getTableConfig(table);
  const columnName = columnNames(table, fields);
  const rules: Record<string, RuleState> = {};
  const addUnique = (ruleName: string, of: readonly PgColumn[], nullsNotDistinct: boolean) => {
    const nulls = nullsNotDistinct ? " nulls not distinct" : "";
    rules[ruleName] = { kind: "constraint", definition: `unique${nulls} (${identifiers(of.map(columnName))})` };
  };
  for (const column of columns)
    if (column.isUnique) addUnique(column.uniqueName!, [column], column.uniqueType === "not distinct");
  for (const { columns: of, name: given, nullsNotDistinct } of uniqueConstraints)
    addUnique(given ?? objectName(name, ...of.map(columnName), "unique"), of, nullsNotDistinct);
  for (const foreignKey of foreignKeys)
    rules[foreignKey.getName()] = { kind: "constraint", definition: foreignKeyText(foreignKey, columnName) };
  for (const { name: checkName, value } of checks)
    rules[checkName] = { kind: "constraint", definition: `check (${expressionText(value)})` };
  for (const { config } of indexes) {
    const parts = config.columns.map((part) =>
      is(part, SQL) ? `(${expressionText(part)})` : indexedText(part as Partial<IndexedColumn>),
    );
    const names = config.columns.map((part) => (is(part, IndexedColumn) ? part.name! : "expression"));
    const where = config.where ? ` where ${expressionText(config.where)}` : "";
    rules[config.name ?? objectName(name, ...names, "index")] = {
      kind: config.unique ? "unique index" : "index",
      definition: `using ${config.method ?? "btree"} (${parts.join(", ")})${where}`,
    };
  }
  return rules;

  function indexedText(part: Partial<IndexedColumn>): string {
    const { order, nulls, opClass } = part.indexConfig ?? {};
    const column = columns.find((one) => one.name === part.name);
    const words = [
      ...(opClass ? [opClass] : []),
      ...(order === "desc" ? ["desc"] : []),
      // Nulls come last in ascending and first in descending order, unless an index says otherwise.
      ...(nulls && nulls !== (order === "desc" ? "first" : "last") ? [`nulls ${nulls}`] : []),
    ];
    return [identifier(column ? columnName(column) : part.name!), ...words].join(" ");
  }
}

function foreignKeyText(foreignKey: ForeignKey, columnName: (column: PgColumn) => string): string {
  const { columns, foreignTable, foreignColumns } = foreignKey.reference();
  const { onDelete, onUpdate } = foreignKey;
  const actions = [
    ...(onDelete && onDelete !== "no action" ? [` on delete ${onDelete}`] : []),
    ...(onUpdate && onUpdate !== "no action" ? [` on update ${onUpdate}`] : []),
  ];
  const target = `${tableText(tableOf(foreignTable))} (${identifiers(foreignColumns.map(({ name }) => name))})`;
  return `foreign key (${identifiers(columns.map(columnName))}) references ${target}${actions.join("")}`;
}

/** The declaration may give its columns other names than Drizzle does. */
function columnNames(table: PgTable, fields: Fields): (column: PgColumn) => string {
  const members = new Map(
    Object.entries(getTableColumns(table) as Record<string, PgColumn>).map(([member, { name }]) => [name, member]),
  );
  return ({ name }) => fields[members.get(name)!]?.column ?? name;
}
