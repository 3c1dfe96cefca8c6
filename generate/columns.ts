/** Columns and their rules as SQL. Pure. */
import { parseType } from "../contracts/entity/type-name.ts";
import { identifier, literal, objectName } from "./names.ts";
import type { ColumnState, TableState } from "./snapshot.ts";

/** A column as `create table` and `add column` have it. */
export function columnText(name: string, column: ColumnState, table: string): string {
  const { type, nullable, default: initial, serial, generated, values } = column;
  return [
    identifier(name),
    serial ?? type,
    ...(initial === undefined ? [] : [`default ${initial}`]),
    ...(generated === undefined ? [] : [generated]),
    ...(nullable || serial ? [] : ["not null"]),
    ...(values ? [`constraint ${wordsName(table, name)} ${wordsCheck(name, values)}`] : []),
  ].join(" ");
}

/** Name of the check of a text that allows some words only. */
export const wordsName = (table: string, column: string): string =>
  identifier(objectName(plainName(table), column, "check"));

/** The check itself. */
export const wordsCheck = (column: string, values: readonly string[]): string =>
  `check (${identifier(column)} in (${values.map(literal).join(", ")}))`;

/** The last part of a table's name in SQL, without quotes. */
export const plainName = (table: string): string =>
  (/"((?:[^"]|"")*)"$/.exec(table)?.[1] ?? table.replace(/^.*\./, "")).replaceAll('""', '"');

/** The schema of a table's name in SQL, with its point: `sales.`. Empty: it has none. */
export const schemaPrefix = (table: string): string =>
  table.slice(0, table.length - identifier(plainName(table)).length);

/** A new table. Its indexes and constraints between tables come after all tables. */
export const createTable = (name: string, { columns, key }: TableState): string =>
  [
    `create table ${name} (`,
    ...Object.entries(columns).map(([column, state]) => `  ${columnText(column, state, name)},`),
    `  primary key (${key.map(identifier).join(", ")})`,
    ");",
  ].join("\n");

/** True for a default that each row of an existing table gets without being written again. */
export const isStable = (text: string): boolean =>
  isConstant(text) || /^(now\(\)|current_timestamp|current_date|transaction_timestamp\(\))$/i.test(text.trim());

/** True for a literal. */
export const isConstant = (text: string): boolean =>
  /^(E?'(?:[^']|'')*'(?:::[\w ]+(?:\[\])?)?|-?[\d.]+|true|false)$/.test(text.trim());

/**
 * True when PostgreSQL changes the type without writing the rows again, and each value stays the same text: a longer
 * `varchar`, `text` instead of `varchar`, a `numeric` with more digits before the point.
 */
export function isWidening(from: string, to: string): boolean {
  const [a, b] = [parseType(from), parseType(to)];
  if (a.dimensions !== b.dimensions || a.dimensions > 0) return false;
  const [[a1 = Infinity, a2 = 0], [b1 = Infinity, b2 = 0]] = [a.modifiers, b.modifiers];
  if (a.name === "character varying") return b.name === "text" || (b.name === a.name && b1 >= a1);
  return a.name === "numeric" && b.name === "numeric" && a1 !== Infinity && b1 !== Infinity && a2 === b2 && b1 >= a1;
}
