/** Compares declared tables with the tables of a database. */
import type { Field, Fields } from "../../contracts/entity/field.ts";
import { quotedTable, type Table } from "../../contracts/entity/table.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import type { Findings } from "./finding.ts";

/** A table that a declaration names. */
export interface DeclaredTable {
  readonly entity: string;
  readonly table: Table;
  readonly fields: Fields;
  /** Columns of the key. */
  readonly key: readonly string[];
}

/** What a mismatch means: in the source the declaration is wrong, in a replica its table is. */
export interface FitOptions {
  /** What to do about a table that is missing. */
  readonly missing: string;
  /** What to do about a column that is missing or has another type. */
  readonly drifted: string;
  /** True: another type is a problem. False: the values only have to have the same text. */
  readonly isExact: boolean;
}

interface FoundColumn {
  readonly name: string;
  readonly type: string;
  /** Of a domain: the type that it restricts. */
  readonly base: string | null;
  readonly notNull: boolean;
}

interface Found {
  readonly exists: boolean;
  readonly columns: readonly FoundColumn[];
  /** Whether a unique index has exactly the columns of the key. */
  readonly hasKey: boolean;
}

/**
 * @param session a dedicated connection; its search path becomes `public`.
 * @returns the tables that exist.
 * @throws the database's error.
 */
export async function checkTables(
  session: Sql,
  tables: readonly DeclaredTable[],
  findings: Findings,
  options: FitOptions,
): Promise<DeclaredTable[]> {
  await session`select set_config('search_path', 'public', false)`;
  const list = JSON.stringify(tables.map(({ table, key }) => ({ relation: quotedTable(table), key })));
  const found = await session<Found[]>`
    select c.oid is not null as exists,
      coalesce((
        select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull,
          'base', case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end) order by a.attnum)
        from pg_attribute a join pg_type t on t.oid = a.atttypid
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]') as columns,
      exists (
        select from pg_index i where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
          and (select array_agg(a.attname::text order by a.attname)
               from unnest(i.indkey::int2[]) with ordinality u (attnum, n) join pg_attribute a on a.attrelid = c.oid and a.attnum = u.attnum
               where u.n <= i.indnkeyatts)
            = (select array_agg(k order by k::name) from jsonb_array_elements_text(d.key) k)) as "hasKey"
    from rows from (jsonb_to_recordset(${list}::text::jsonb) as (relation text, key jsonb)) with ordinality as d (relation, key, n)
    left join pg_class c on c.oid = to_regclass(d.relation)
    order by d.n`;
  for (const [i, table] of tables.entries()) checkTable(table, found[i]!, findings, options);
  return tables.filter((_, i) => found[i]!.exists);
}

/** Times that Lockstep sets are whole milliseconds: a column with microseconds has the same values. */
const isOwnTime = ({ kind, readOnly, type }: Field, actual: FoundColumn): boolean =>
  kind === "timestamptz" && readOnly && withoutPrecision(actual.type) === withoutPrecision(type);

const withoutPrecision = (type: string): string => type.replace(/\(\d\)/, "");

function checkTable(declared: DeclaredTable, found: Found, findings: Findings, options: FitOptions): void {
  const name = quotedTable(declared.table).replaceAll('"', "");
  const of = `table ${name} of ${declared.entity}`;
  if (!found.exists) {
    findings.fail(`${of} does not exist`, options.missing);
    return;
  }
  const columns = new Map(found.columns.map((column) => [column.name, column]));
  const fields = Object.values(declared.fields);
  const missing = fields.filter(({ column }) => !columns.has(column)).map(({ column }) => column);
  if (missing.length > 0) findings.fail(`${of} has no column ${missing.join(", ")}`, options.drifted);
  for (const field of fields) {
    const { column, type, baseType } = field;
    const actual = columns.get(column);
    if (
      !actual ||
      isOwnTime(field, actual) ||
      [type, baseType].includes(actual.type) ||
      (actual.base !== null && actual.base === baseType)
    )
      continue;
    const text = `${of}: column ${column} is ${actual.type}, and declared as ${type}`;
    if (options.isExact) findings.fail(text, options.drifted);
    else findings.warn(text, options.drifted);
  }
  if (!found.hasKey && missing.length === 0)
    findings.fail(
      `${of} has no unique index on exactly its key`,
      `alter table ${name} add primary key (${declared.key.join(", ")})`,
    );
  const undeclared = found.columns.filter(({ name: column }) => !fields.some((field) => field.column === column));
  if (options.isExact && undeclared.length > 0)
    findings.warn(
      `${of} has columns that are not declared, so no replica gets them: ${undeclared.map((column) => column.name).join(", ")}`,
      "declare them if a replica needs them",
    );
}
