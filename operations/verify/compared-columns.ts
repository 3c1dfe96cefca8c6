/**
 * The SQL by which source and replica render the values that a verification compares. It follows from the columns'
 * types, so PostgreSQL makes every compared text, and no code that maps rows to documents takes part.
 */
import type { Field, Fields } from "../../contracts/entity/field.ts";
import { UserError } from "../../contracts/errors.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import type { ReplicaTables } from "./comparison-target.ts";
import { queryReplica, ReplicaUnreadableError } from "./query-replica.ts";

/** SQL expressions over a row `t` of one table. */
export interface TableExpressions {
  /** A bigint: the hash of the text of the row's version and compared columns. */
  readonly digest: string;
  /** The compared texts as a JSON list, in the order of {@link ComparedColumns.members}. */
  readonly texts: string;
  /** The whole document as JSON, for filters and derived fields. */
  readonly document: string;
}

/** What is compared by text, and how each side makes it. */
export interface ComparedColumns {
  /** The members that the replica takes from the source unchanged. */
  readonly members: readonly string[];
  readonly source: TableExpressions;
  readonly replica: TableExpressions;
}

/** Types by column. */
type Types = ReadonlyMap<string, string>;

const TYPES = `
  select a.attname as column, format_type(coalesce(nullif(y.typbasetype, 0), y.oid), null) as type
  from pg_attribute a join pg_type y on y.oid = a.atttypid
  where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped`;

type TypeRow = { readonly column: string; readonly type: string };

const cache = new WeakMap<ReplicaTables, Promise<ComparedColumns>>();

/**
 * Reads the columns of both tables, once for each `tables`.
 *
 * @throws {ReplicaUnreadableError} when the replica's table or a column of it is missing.
 * @throws {UserError} when the source lacks the table or a compared column. @throws {Error} when it is unavailable.
 */
export function comparedColumns(source: Sql, tables: ReplicaTables): Promise<ComparedColumns> {
  let columns = cache.get(tables);
  if (!columns) {
    columns = readColumns(source, tables);
    cache.set(tables, columns);
  }
  return columns;
}

async function readColumns(source: Sql, tables: ReplicaTables): Promise<ComparedColumns> {
  const { entity, replica } = tables;
  const members = replica.unchanged.filter((member) => member !== entity.version && !entity.key.includes(member));
  const sourceTypes = typesOf(await source.unsafe<TypeRow[]>(TYPES, [quoted(entity.plural)]));
  const replicaTypes = typesOf(await queryReplica<TypeRow>(tables, TYPES, [quoted(tables.table)]));
  const missing = missingColumns(entity.fields, members, sourceTypes);
  if (missing !== "")
    throw new UserError(`the source's table ${entity.plural} has no column ${missing}: add a migration`);
  const missingInReplica = missingColumns(replica.fields, Object.keys(replica.fields), replicaTypes);
  if (missingInReplica !== "")
    throw new ReplicaUnreadableError(
      replica.name,
      replicaTypes.size === 0
        ? `the table ${tables.table} is missing`
        : `the table ${tables.table} has no column ${missingInReplica}`,
    );
  return {
    members,
    source: expressionsOf(members, entity.fields, sourceTypes),
    replica: expressionsOf(members, replica.fields, replicaTypes),
  };
}

const typesOf = (rows: readonly TypeRow[]): Types => new Map(rows.map(({ column, type }) => [column, type]));

const missingColumns = (fields: Fields, members: readonly string[], types: Types): string =>
  members
    .map((member) => fields[member]!.column)
    .filter((column) => !types.has(column))
    .join(", ");

function expressionsOf(members: readonly string[], fields: Fields, types: Types): TableExpressions {
  const texts = members.map((member) => textOf(fields[member]!.column, types));
  const hashed = members.map((member) => hashedOf(fields[member]!.column, types));
  const document = Object.entries(fields)
    .map(([member, field]) => `${memberOf(field, types)} as ${quoted(member)}`)
    .join(", ");
  return {
    digest: `hashtextextended(row(t."version", ${hashed.join(", ")})::text, 0)`,
    texts: `array_to_json(array[${texts.join(", ")}])`,
    document: `(select row_to_json(d) from (select ${document}) as d)`,
  };
}

const isTime = (type: string | undefined): boolean => type?.startsWith("timestamp") ?? false;

/** Types whose text does not depend on the session or on how the value was written. */
const PLAIN_TYPES = new Set(["text", "character varying", "uuid", "boolean", "smallint", "integer", "bigint"]);

/**
 * The text by which a column is compared. Equal values have equal texts, also in columns of different types: numbers
 * without zeros at the end, times with milliseconds as in documents, lists as JSON.
 */
function textOf(column: string, types: Types): string {
  const type = types.get(column)!;
  const name = `t.${quoted(column)}`;
  if (PLAIN_TYPES.has(type)) return `${name}::text`;
  if (type === "numeric") return `trim_scale(${name})::text`;
  if (isTime(type)) return `extract(epoch from date_trunc('milliseconds', ${name}))::text`;
  return `to_jsonb(${name}) #>> '{}'`;
}

/**
 * A column in the digest, where the row's own text costs a third of single texts. Equal values may have different
 * digests, as in columns of different types. Their texts are then compared.
 */
function hashedOf(column: string, types: Types): string {
  const type = types.get(column)!;
  const name = `t.${quoted(column)}`;
  if (type === "numeric") return `trim_scale(${name})`;
  return isTime(type) ? `date_trunc('milliseconds', ${name})` : name;
}

/** A member's value in the document, in the form that documents have. */
function memberOf({ scale, column }: Field, types: Types): string {
  const type = types.get(column);
  const name = `t.${quoted(column)}`;
  if (type === undefined) return "null";
  if (isTime(type))
    return `to_char(date_trunc('milliseconds', ${name}) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
  if (scale === undefined) return name;
  if (type !== "numeric") return `${name}::text`;
  return `case when scale(trim_scale(${name})) <= ${scale} then round(${name}, ${scale}) else ${name} end::text`;
}

/** Quotes a name with or without its schema as an SQL identifier. */
export const quoted = (name: string): string =>
  name
    .split(".")
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join(".");
