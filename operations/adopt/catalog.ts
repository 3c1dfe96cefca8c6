/** What PostgreSQL's catalogue says about the tables of a database, in the words of adoption. */
import type { Table } from "../../contracts/entity/table.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import readRelationsText from "./read-relations.sql" with { type: "text" };
import readTypesText from "./read-types.sql" with { type: "text" };

/** A column of a relation. */
export interface Column {
  readonly name: string;
  /** As `format_type` writes it with the search path `public`. */
  readonly type: string;
  readonly typeOid: number;
  /** `atttypmod`; -1: none. */
  readonly modifier: number;
  readonly notNull: boolean;
  /** Declared dimensions of an array. */
  readonly dimensions: number;
  /** `a`: generated always, `d`: by default, empty: no identity. */
  readonly identity: "a" | "d" | "";
  /** `s`: stored, `v`: computed by each read, empty: an ordinary column. */
  readonly generated: "s" | "v" | "";
  /** Expression of the default, or of a generated column; null: none. */
  readonly default: string | null;
}

/** A foreign key of a relation. */
export interface ForeignKey {
  readonly name: string;
  readonly target: { readonly schema: string; readonly name: string };
  readonly columns: readonly string[];
  readonly targetColumns: readonly string[];
  /** `c`: cascade. See `confdeltype`. */
  readonly onDelete: string;
}

/** A table, view or other relation with rows. */
export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** See `relkind`: `r` table, `p` partitioned table, `v` view, `m` materialized view, `f` foreign table. */
  readonly kind: "r" | "p" | "v" | "m" | "f";
  /** The uppermost table that this relation is a partition of; null: of none. */
  readonly partitionOf: string | null;
  /** As PostgreSQL last counted. */
  readonly estimatedRows: number;
  readonly columns: readonly Column[];
  /** Columns of the primary key, else of a unique index without nulls; null: there is neither. */
  readonly key: readonly string[] | null;
  readonly uniques: readonly { readonly name: string; readonly columns: readonly string[] }[];
  readonly foreignKeys: readonly ForeignKey[];
}

/** A type and what it consists of. */
export interface Type {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** As `format_type` writes it without modifiers. */
  readonly text: string;
  /** See `typtype`: `b` base, `c` composite, `d` domain, `e` enum, `r` range, `m` multirange. */
  readonly kind: string;
  /** Of an array: its elements' type. */
  readonly element: number | null;
  /** Of a domain. */
  readonly base: { readonly oid: number; readonly modifier: number; readonly text: string } | null;
  /** Of an enum, in their order. */
  readonly labels: readonly string[] | null;
  /** Of a composite. */
  readonly attributes:
    | readonly { readonly name: string; readonly oid: number; readonly modifier: number; readonly text: string }[]
    | null;
  /** Of a range. */
  readonly subtype: number | null;
  /** Of a multirange. */
  readonly range: number | null;
  readonly extension: string | null;
  readonly extensionSchema: string | null;
}

/** Relations in the order of their names, those of `public` first, and all their types. */
export interface Catalog {
  readonly relations: readonly Relation[];
  readonly types: ReadonlyMap<number, Type>;
}

/**
 * Reads the catalogue. The search path of the session becomes `public`.
 *
 * @param session a dedicated connection.
 * @throws the database's error.
 */
export async function readCatalog(session: Sql): Promise<Catalog> {
  await session`select set_config('search_path', 'public', false)`;
  const rows = await session.unsafe<(Relation & { oid: string | number })[]>(readRelationsText);
  const relations = rows.map((row) => ({ ...row, oid: Number(row.oid), columns: row.columns ?? [] }));
  const used = [...new Set(relations.flatMap(({ columns }) => columns.map(({ typeOid }) => typeOid)))];
  const types = await session.unsafe<(Type & Record<OidColumn, string | null>)[]>(readTypesText, [
    `{${used.join(",")}}`,
  ]);
  return {
    relations,
    types: new Map(
      types.map((type) => {
        const oids = Object.fromEntries(
          OID_COLUMNS.map((name) => [name, type[name] === null ? null : Number(type[name])]),
        );
        return [Number(type.oid), { ...type, ...oids, oid: Number(type.oid) } as Type];
      }),
    ),
  };
}

/** Columns of bigint, which the driver returns as text. */
const OID_COLUMNS = ["element", "subtype", "range"] as const;
type OidColumn = (typeof OID_COLUMNS)[number];

/** The name of a relation for people: with its schema, quoted where SQL needs it. */
export const relationText = ({ schema, name }: { readonly schema: string; readonly name: string }): string =>
  `${identifier(schema)}.${identifier(name)}`;

/** A name for SQL, quoted where it is no plain word. Reserved words are quoted too. */
export const identifier = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) && !RESERVED.has(name) ? name : `"${name.replaceAll('"', '""')}"`;

/** A text as a literal of SQL. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** The table of a relation, as declarations name it: `public` is left out. */
export const tableOf = ({ schema, name }: Pick<Relation, "schema" | "name">): Table =>
  schema === "public" ? { name } : { schema, name };

/** Reserved words of PostgreSQL 18. @see https://www.postgresql.org/docs/18/sql-keywords-appendix.html */
const RESERVED = new Set(
  `all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char
  character check coalesce collate collation column concurrently constraint create cross current_catalog current_date
  current_role current_schema current_time current_timestamp current_user dec decimal default deferrable desc distinct do
  else end except exists extract false fetch float for foreign freeze from full grant greatest group grouping having ilike
  in initially inner inout int integer intersect interval into is isnull join json json_array json_arrayagg json_exists
  json_object json_objectagg json_query json_scalar json_serialize json_table json_value lateral leading least left like
  limit localtime localtimestamp merge_action national natural nchar none normalize not notnull null nullif numeric offset
  on only or order out outer overlaps overlay placing position precision primary real references returning right row
  select session_user setof similar smallint some substring symmetric system_user table tablesample then time timestamp to
  trailing treat trim true union unique user using values varchar variadic verbose when where window with xmlattributes
  xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable`.split(/\s+/),
);
