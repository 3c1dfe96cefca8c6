/** Copies what `create table … (like …)` leaves out: storage parameters, triggers, names of indexes, grants. */
import { quotedName, quotedTable } from "../../../contracts/entity/table.ts";
import { listText, type Sql } from "../../../platform/postgres/connect.ts";

/** A live table. */
interface LiveTable {
  readonly schema: string;
  readonly name: string;
}

const newTable = (table: string): string => quotedTable({ schema: "lockstep_next", name: table });

/** Storage parameters, such as fillfactor. @throws the database's error. */
export async function copyStorage(sql: Sql, live: LiveTable, table: string): Promise<void> {
  const options = await sql<{ option: string }[]>`
    select format('%I = %L', o.option_name, o.option_value) as option
    from pg_class c, pg_options_to_table(c.reloptions) o where c.oid = ${quotedTable(live)}::text::regclass`;
  for (const { option } of options) await sql.unsafe(`alter table ${newTable(table)} set (${option})`);
}

/**
 * Row triggers that complete a row before it is written: during a schema change the live table has one
 * (docs/schema-changes.md).
 *
 * @throws the database's error.
 */
export async function copyTriggers(sql: Sql, live: LiveTable, table: string): Promise<void> {
  const triggers = await sql<{ definition: string }[]>`
    select pg_get_triggerdef(t.oid) as definition from pg_trigger t
    where tgrelid = ${quotedTable(live)}::text::regclass and not tgisinternal and tgenabled <> 'D'
      and tgtype & 3 = 3 -- before, for each row: a table with another kind stays (dependentsOf)
      and not exists (select from pg_trigger n where n.tgrelid = ${newTable(table)}::text::regclass and n.tgname = t.tgname)`;
  for (const { definition } of triggers) await sql.unsafe(onTable(definition, newTable(table)));
}

/**
 * Indexes, with the names that they have on the live table, because later migrations refer to them. A name that the new
 * schema has for another table's index gets the live schema in front.
 *
 * @param which the primary key and those that find a row by `key`, or all others.
 * @throws the database's error.
 */
export async function copyIndexes(
  sql: Sql,
  live: LiveTable,
  table: string,
  which: { readonly key: readonly string[] } | "others",
): Promise<void> {
  const key = which === "others" ? [] : which.key;
  const indexes = await sql<{ name: string; is_taken: boolean; definition: string; constraint: string | null }[]>`
    select i.relname as name, pg_get_indexdef(i.oid) as definition, pg_get_constraintdef(c.oid) as constraint,
      exists (select from pg_class n where n.relnamespace = 'lockstep_next'::regnamespace and n.relname = i.relname) as is_taken
    from pg_index x join pg_class i on i.oid = x.indexrelid left join pg_constraint c on c.conindid = i.oid and c.conrelid = x.indrelid
    where x.indrelid = ${quotedTable(live)}::text::regclass
      and (${which === "others"} or x.indisprimary or x.indisunique and x.indpred is null and ${listText(key)}::text::text[] @> (
        select array_agg(a.attname::text) from pg_attribute a where a.attrelid = x.indrelid and a.attnum = any (x.indkey)))
      and not exists (select from pg_index own join pg_class n on n.oid = own.indexrelid
        where own.indrelid = ${newTable(table)}::text::regclass and n.relname in (i.relname, left(${live.schema} || '.' || i.relname, 63)))`;
  for (const { name, is_taken, definition, constraint } of indexes) {
    const newName = quotedName(is_taken ? `${live.schema}.${name}` : name);
    await sql.unsafe(
      constraint
        ? `alter table ${newTable(table)} add constraint ${newName} ${constraint}`
        : onTable(definition, newTable(table)).replace(INDEX_NAME, (_, before: string) => `${before}${newName} ON`),
    );
  }
}

/** The name in a definition as PostgreSQL prints it. */
const INDEX_NAME = /^(CREATE (?:UNIQUE )?INDEX )(?:"(?:[^"]|"")+"|\w+) ON/;

/** Grants of the live table, except its owner's. @throws the database's error. */
export async function copyGrants(sql: Sql, live: LiveTable, table: string): Promise<void> {
  const grants = await sql<{ privilege: string; grantee: string }[]>`
    select privilege_type as privilege, case when grantee = 0 then 'public' else grantee::regrole::text end as grantee
    from pg_class c, aclexplode(c.relacl) where c.oid = ${quotedTable(live)}::text::regclass and grantee <> c.relowner`;
  for (const { privilege, grantee } of grants)
    await sql.unsafe(`grant ${privilege} on ${newTable(table)} to ${grantee}`);
}

/** A definition as PostgreSQL prints it, for another table. */
const onTable = (definition: string, table: string): string =>
  definition.replace(/ ON (?:ONLY )?(?:"(?:[^"]|"")+"|\w+)\.(?:"(?:[^"]|"")+"|\w+) /, ` ON ${table} `);
