/** Columns and their rules as SQL. Pure. */
import { parseType } from "../contracts/entity/type-name.ts";
import { identifier, literal, objectName } from "./names.ts";
import type { ColumnState, TableState } from "./snapshot.ts";

/** A column as `create table` and `add column` have it. @param isKey true for the only column of a primary key. */
export function columnText(name: string, column: ColumnState, table: string, isKey = false): string {
  const { type, nullable, default: initial, serial, generated, values } = column;
  return [
    identifier(name),
    serial ?? typeText(type),
    ...(isKey ? ["primary key"] : nullable || serial ? [] : ["not null"]),
    ...(initial === undefined ? [] : [`default ${initial}`]),
    ...(generated === undefined ? [] : [generated]),
    ...(values ? [`constraint ${wordsName(table, name)} ${wordsCheck(name, values)}`] : []),
  ].join(" ");
}

/** A type as people write it: `timestamptz(3)` for `timestamp(3) with time zone`. */
export const typeText = (type: string): string =>
  type
    .replace(/^(time|timestamp)(\(\d\))? with time zone/, "$1tz$2")
    .replace(/^(time|timestamp)(\(\d\))? without time zone/, "$1$2")
    .replace(/^character varying/, "varchar");

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
export function createTable(name: string, { columns, key }: TableState): string {
  const isKey = (column: string) => key.length === 1 && key[0] === column;
  const lines = Object.entries(columns).map(([column, state]) => columnText(column, state, name, isKey(column)));
  const composite = key.length === 1 ? [] : [`primary key (${key.map(identifier).join(", ")})`];
  return `create table ${name} (\n  ${[...lines, ...composite].join(",\n  ")}\n);`;
}

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
