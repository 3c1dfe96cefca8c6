/**
 * SQL that renders the values of columns, for comparisons and for documents. It follows from the columns' types, so
 * PostgreSQL makes every compared text, and no code that maps rows to documents takes part. Pure.
 */
import { quotedName } from "../../contracts/entity/table.ts";
import type { TableColumn } from "./table-columns.ts";

/** One value in both databases. */
export interface ColumnPair {
  readonly source: TableColumn;
  readonly replica: TableColumn;
  /** True for times of which documents have milliseconds only: the replica gets no more, whatever the source has. */
  readonly inMilliseconds: boolean;
  /** True for numbers of which documents have a fixed number of decimals, whatever the columns show. */
  readonly hasScale: boolean;
}

/** Expressions of one value in both databases, over an alias. */
export interface PairExpressions {
  readonly source: string;
  readonly replica: string;
}

const TIMES = new Set(["timestamp", "timestamptz"]);
const NUMBERS = new Set(["int2", "int4", "int8", "numeric"]);

/**
 * The texts by which a value is compared: PostgreSQL's own. Columns of different types have equal texts for equal
 * values: numbers without zeros at the end, times with the precision that the replica's column keeps.
 */
export function textsOf(pair: ColumnPair, alias: string): PairExpressions {
  const { source, replica } = valuesOf(pair, alias);
  return { source: `${source}::text`, replica: `${replica}::text` };
}

/**
 * The values in the digest of a row, whose own text costs a third of single texts. Equal values of different types may
 * have different digests. Their texts are then compared.
 */
export function hashedOf(pair: ColumnPair, alias: string): PairExpressions {
  return pair.source.type === pair.replica.type ? valuesOf(pair, alias) : textsOf(pair, alias);
}

function valuesOf({ source, replica, inMilliseconds, hasScale }: ColumnPair, alias: string): PairExpressions {
  const [from, to] = [nameOf(source, alias), nameOf(replica, alias)];
  if (TIMES.has(source.family) && TIMES.has(replica.family)) {
    const [given, kept] = [inUtc(source, replica, from), inUtc(replica, source, to)];
    const sent = inMilliseconds ? `date_trunc('milliseconds', ${given})` : given;
    // PostgreSQL rounds what the replica's column cannot keep.
    return { source: source.type === replica.type ? sent : `(${sent})::${replica.type}`, replica: kept };
  }
  const areNumbers = NUMBERS.has(source.family) && NUMBERS.has(replica.family);
  // A column without a scale keeps the zeros that its writer gave, and documents do not.
  const keepsZeros = hasScale && [source, replica].some(({ type }) => type === "numeric");
  if (source.type === replica.type && !(areNumbers && keepsZeros)) return { source: from, replica: to };
  if (areNumbers) return mapPair({ source: from, replica: to }, (value) => `trim_scale(${value}::numeric)`);
  if ([source, replica].every(({ family }) => family === "json" || family === "jsonb"))
    return mapPair({ source: from, replica: to }, (value) => `${value}::jsonb`);
  return { source: from, replica: to };
}

/** A `timestamptz` that is compared with a `timestamp` counts in UTC. */
const inUtc = ({ family }: TableColumn, other: TableColumn, value: string): string =>
  family === "timestamptz" && other.family === "timestamp" ? `(${value} at time zone 'UTC')` : value;

const mapPair = ({ source, replica }: PairExpressions, map: (value: string) => string): PairExpressions => ({
  source: map(source),
  replica: map(replica),
});

const nameOf = ({ name }: TableColumn, alias: string): string => `${alias}.${quotedName(name)}`;

/** A nullable `jsonb` column tells JSON's null from SQL's by this object in rows (contracts/entity). */
const JSON_NULL = `'{"lockstep.jsonNull": true}'::jsonb`;

/** A column in a row as JSON: what `to_jsonb` makes of it, or its text where that would lose something. */
export function jsonOf(column: TableColumn, isNullable: boolean, alias: string): string {
  const name = nameOf(column, alias);
  if (column.form === "text") return `${name}::text`;
  if (column.form === "array")
    return String.raw`case when array_dims(${name}) ~ '\[(?!1:)' then to_jsonb(${name}::text) else to_jsonb(${name}) end`;
  if (column.family !== "jsonb" || !isNullable) return name;
  return `case when ${name} = 'null'::jsonb then ${JSON_NULL} else ${name} end`;
}
