/**
 * SQL about the key of a table: the canonical id of a row (`contracts/entity/key.ts`), and conditions that find rows by
 * ids. It follows from the columns' types. It uses no function of Lockstep, whose results it has to check. Pure.
 */
import type { EntityId } from "../../contracts/entity/document.ts";
import { keyComponents } from "../../contracts/entity/key.ts";
import { quotedName } from "../../contracts/entity/table.ts";
import type { TableColumn } from "./table-columns.ts";

/** The columns of a key, in its order. */
export type KeyColumns = readonly TableColumn[];

/** A condition, and the values of its parameters. */
export interface Condition {
  readonly sql: string;
  readonly parameters: readonly string[];
}

/** Types whose texts may have a comma or a percent sign, or be empty. */
const isEscaped = ({ family, is_enum }: TableColumn): boolean =>
  is_enum || ["text", "varchar", "bpchar", "citext"].includes(family);

/** The id of a row: an expression over `alias`. */
export const idOf = (key: KeyColumns, alias: string): string =>
  `(${key.map((column) => componentOf(column, `${alias}.${quotedName(column.name)}`)).join(" || ',' || ")}) collate "C"`;

function componentOf(column: TableColumn, name: string): string {
  if (column.family === "numeric") return `trim_scale(${name})::text`;
  if (!isEscaped(column)) return `${name}::text`;
  const text = column.family === "citext" ? `lower(${name}::text collate "default")` : `${name}::text`;
  return `coalesce(nullif(replace(replace(${text}, '%', '%25'), ',', '%2C'), ''), '%00')`;
}

/** A condition that finds the row of an id by the key's index. @param id an expression. */
export const hasId = (key: KeyColumns, alias: string, id: string): string =>
  key
    .map((column, i) => {
      const part = key.length === 1 ? id : `split_part(${id}, ',', ${i + 1})`;
      const text = isEscaped(column) ? `replace(replace(replace(${part}, '%00', ''), '%2C', ','), '%25', '%')` : part;
      // Lockstep's ids have a collation of their own. Without the column's, the index could not be used.
      const collation = column.collation === null ? "" : ` collate ${column.collation}`;
      return `${alias}.${quotedName(column.name)} ${operator(column, "=")} (${text})::${column.cast_to}${collation}`;
    })
    .join(" and ");

/** The key's columns, for ORDER BY. */
export const keyOrder = (key: KeyColumns, alias: string): string =>
  key.map(({ name }) => `${alias}.${quotedName(name)}`).join(", ");

/**
 * The condition that a row's key is above `after` and not above `last`, in the order of the key's index.
 *
 * @param after @param last null: no limit.
 * @param first number of the condition's first parameter in the statement.
 */
export function isBetween(
  key: KeyColumns,
  alias: string,
  { after, last }: { readonly after: EntityId | null; readonly last: EntityId | null },
  first: number,
): Condition {
  const parameters: string[] = [];
  const compare = (id: EntityId, symbol: ">" | "<="): string => {
    const components = keyComponents(id)!;
    const places = components.map((component) => `$${first + parameters.push(component) - 1}::text`);
    return comparison(key, alias, places, symbol);
  };
  const conditions = [
    ...(after === null ? [] : [compare(after, ">")]),
    ...(last === null ? [] : [compare(last, "<=")]),
  ];
  return { sql: conditions.length === 0 ? "true" : conditions.join(" and "), parameters };
}

/** Compares a row's key with the key of these components. A comparison of rows uses the key's index. */
function comparison(key: KeyColumns, alias: string, components: readonly string[], symbol: ">" | "<="): string {
  const names = key.map(({ name }) => `${alias}.${quotedName(name)}`);
  const values = key.map(({ cast_to }, i) => `${components[i]}::${cast_to}`);
  if (key.every(({ operators }) => operators === null)) return `(${names.join(", ")}) ${symbol} (${values.join(", ")})`;
  const cases = key.map((column, i) => {
    const isLast = i === key.length - 1;
    const equal = key.slice(0, i).map((before, j) => `${names[j]} ${operator(before, "=")} ${values[j]} and `);
    return `(${equal.join("")}${names[i]} ${operator(column, isLast || symbol === ">" ? symbol : "<")} ${values[i]})`;
  });
  return `(${cases.join(" or ")})`;
}

const operator = ({ operators }: TableColumn, symbol: "=" | ">" | "<" | "<="): string =>
  operators === null ? symbol : `operator(${quotedName(operators)}.${symbol})`;
