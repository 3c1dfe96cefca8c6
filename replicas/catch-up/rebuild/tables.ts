/** The new version of a replica's tables, beside the live ones: schema `lockstep_next`; and the old one, once switched: `lockstep_old`. */

import { UserError } from "../../../contracts/errors.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";

/** A rebuild cannot be done now. */
export class RebuildRejectedError extends UserError {}

/** Somebody else rebuilds this replica at this moment. */
export class RebuildBusyError extends RebuildRejectedError {}

/** Schema of the new tables. */
export const NEXT = "lockstep_next";

/** Taken by whoever rebuilds, for as long as its session lives: (space of Lockstep, rebuild). */
const REBUILDING = [1_280_262_987, 13] as const;

export interface NextTable {
  /** Plural of the entity, and name of the table. */
  readonly name: string;
  /** Schema of the live table. */
  readonly schema: string;
  /** Columns with their types, in order. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** @throws {RebuildBusyError} when somebody else rebuilds this replica. */
export async function lockRebuild(sql: Sql): Promise<void> {
  const [row] = await sql<
    { locked: boolean }[]
  >`select pg_try_advisory_lock(${REBUILDING[0]}, ${REBUILDING[1]}) as locked`;
  if (!row?.locked) throw new RebuildBusyError("this replica is being rebuilt already");
}

/**
 * Makes what is not there yet: a rebuild that was interrupted goes on with what it had, unless a migration came in between.
 *
 * @throws {RebuildRejectedError} when the old tables of an earlier rebuild are still there, or when something that Lockstep did not make
 * hangs on a live table and would go on with the old one.
 */
export async function prepareNext(sql: Sql, tables: readonly string[]): Promise<NextTable[]> {
  if (await schemaExists(sql, "lockstep_old"))
    throw new RebuildRejectedError("the tables of before the last rebuild are still there: drop them with --drop-old");
  await dropOtherShape(sql, tables);
  await sql`create schema if not exists lockstep_next`;
  await refuseDependents(sql, "lockstep", "versions");
  await sql`create table if not exists lockstep_next.versions (like lockstep.versions including all)`;
  await copyStorage(sql, "lockstep", "versions");
  await sql`create table if not exists lockstep_next.positions (like lockstep.positions including all)`;
  const next: NextTable[] = [];
  for (const name of tables) {
    const schema = await liveSchema(sql, name);
    await refuseDependents(sql, schema, name);
    await sql.unsafe(
      `create table if not exists lockstep_next.${quoted(name)} (like ${quoted(schema)}.${quoted(name)} including all excluding indexes)`,
    );
    await copyStorage(sql, schema, name);
    await copyIndexes(sql, schema, name, true);
    await copyTriggers(sql, schema, name);
    next.push({ name, schema, columns: await columnsOf(sql, name) });
  }
  return next;
}

/** The other indexes, made when the rows are there; and who may do what with the table. */
export async function finishNext(sql: Sql, tables: readonly NextTable[]): Promise<void> {
  for (const { schema, name } of tables) {
    await copyIndexes(sql, schema, name, false);
    await copyGrants(sql, schema, name);
    await sql.unsafe(`analyze lockstep_next.${quoted(name)}`);
  }
  await copyGrants(sql, "lockstep", "versions");
  await sql`analyze lockstep_next.versions`;
}

/** Gives up the new tables, however far they are. */
export const dropNext = (sql: Sql): Promise<unknown> => sql`drop schema if exists lockstep_next cascade`.execute();

/** @returns whether there were any. */
export async function dropOld(sql: Sql): Promise<boolean> {
  const there = await schemaExists(sql, "lockstep_old");
  await sql`drop schema if exists lockstep_old cascade`;
  return there;
}

/** @throws what the database says. */
export async function schemaExists(sql: Sql, name: string): Promise<boolean> {
  return (await sql`select from pg_namespace where nspname = ${name}`).length > 0;
}

async function liveSchema(sql: Sql, table: string): Promise<string> {
  const [row] = await sql<{ schema: string }[]>`
    select n.nspname as schema from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass(${quoted(table)})`;
  if (!row) throw new RebuildRejectedError(`there is no table ${table} to rebuild: start the replica once`);
  return row.schema;
}

/** Gives up new tables that have not the columns of the live ones any more. */
async function dropOtherShape(sql: Sql, tables: readonly string[]): Promise<void> {
  const shapeOf = async (schema: string, name: string) => {
    const [row] = await sql<{ shape: string | null }[]>`
      select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attname) as shape from pg_attribute
      where attrelid = to_regclass(${`${quoted(schema)}.${quoted(name)}`}) and attnum > 0 and not attisdropped`;
    return row!.shape;
  };
  for (const name of tables) {
    const next = await shapeOf("lockstep_next", name);
    if (next !== null && next !== (await shapeOf(await liveSchema(sql, name), name))) await dropNext(sql);
  }
}

/**
 * Gives up new tables whose filling began so long ago that the log may have forgotten deletes since: what was read of such an entity
 * would stay for ever (P4).
 */
export async function dropStaleNext(sql: Sql, timeoutMs: number): Promise<void> {
  const [there] = await sql<{ any: boolean }[]>`select to_regclass('lockstep_next.positions') is not null as any`;
  if (!there!.any) return;
  const [begun] = await sql<{ ageMs: number | null }[]>`
    select extract(epoch from clock_timestamp() - min(at))::float8 * 1000 as "ageMs" from lockstep_next.positions`;
  if ((begun!.ageMs ?? 0) > timeoutMs) await dropNext(sql);
}

/** Settings like fillfactor: `like … including all` leaves them out. */
async function copyStorage(sql: Sql, schema: string, table: string): Promise<void> {
  const options = await sql<{ option: string }[]>`
    select format('%I = %L', o.option_name, o.option_value) as option
    from pg_class c, pg_options_to_table(c.reloptions) o where c.oid = ${`${quoted(schema)}.${quoted(table)}`}::text::regclass`;
  for (const { option } of options) await sql.unsafe(`alter table lockstep_next.${quoted(table)} set (${option})`);
}

/** Those that complete a row before it is written: during a change of the schema the live table has one (docs/schema-changes.md). */
async function copyTriggers(sql: Sql, schema: string, table: string): Promise<void> {
  const next = `lockstep_next.${quoted(table)}`;
  const triggers = await sql<{ definition: string }[]>`
    select pg_get_triggerdef(t.oid) as definition from pg_trigger t
    where tgrelid = ${`${quoted(schema)}.${quoted(table)}`}::text::regclass and not tgisinternal and tgenabled <> 'D'
      and tgtype & 3 = 3 -- before, for each row: what refuseDependents lets through
      and not exists (select from pg_trigger n where n.tgrelid = ${next}::text::regclass and n.tgname = t.tgname)`;
  for (const { definition } of triggers) await sql.unsafe(onTable(definition, next));
}

/** A definition as PostgreSQL prints it, for another table. */
const onTable = (definition: string, table: string): string =>
  definition.replace(/ ON (?:ONLY )?(?:"(?:[^"]|"")+"|\w+)\.(?:"(?:[^"]|"")+"|\w+) /, ` ON ${table} `);

/**
 * Views and foreign keys would go on with the old table; other triggers would tell the world of rows that are not new; and without its
 * row security the new table would show everybody everything.
 */
async function refuseDependents(sql: Sql, schema: string, table: string): Promise<void> {
  const live = `${quoted(schema)}.${quoted(table)}`;
  const found = await sql<{ what: string }[]>`
    select 'trigger ' || tgname as what from pg_trigger where tgrelid = ${live}::text::regclass and not tgisinternal and tgtype & 3 <> 3
    union all
    select 'foreign key ' || conname from pg_constraint where contype = 'f' and ${live}::text::regclass in (conrelid, confrelid)
    union all
    select 'row security' from pg_class where oid = ${live}::text::regclass and relrowsecurity
    union all
    select distinct 'view ' || v.relname from pg_depend d join pg_rewrite r on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass
      join pg_class v on v.oid = r.ev_class where d.refobjid = ${live}::text::regclass and v.oid <> d.refobjid`;
  if (found.length === 0) return;
  const names = found.map(({ what }) => what).join(", ");
  throw new RebuildRejectedError(
    `${table} has what a rebuild cannot carry over: ${names}; drop it first and make it anew afterwards`,
  );
}

/** Indexes with the names that they have on the live table: a later migration finds them. */
async function copyIndexes(sql: Sql, schema: string, table: string, keys: boolean): Promise<void> {
  const indexes = await sql<{ name: string; definition: string; constraint: string | null }[]>`
    select i.relname as name, pg_get_indexdef(i.oid) as definition, pg_get_constraintdef(c.oid) as constraint
    from pg_index x join pg_class i on i.oid = x.indexrelid left join pg_constraint c on c.conindid = i.oid and c.conrelid = x.indrelid
    where x.indrelid = ${`${quoted(schema)}.${quoted(table)}`}::text::regclass and x.indisprimary = ${keys}
      and not exists (select from pg_class n join pg_namespace s on s.oid = n.relnamespace
        where s.nspname = 'lockstep_next' and n.relname = i.relname)`;
  for (const { name, definition, constraint } of indexes)
    await sql.unsafe(
      constraint
        ? `alter table lockstep_next.${quoted(table)} add constraint ${quoted(name)} ${constraint}`
        : onTable(definition, `lockstep_next.${quoted(table)}`),
    );
}

async function copyGrants(sql: Sql, schema: string, table: string): Promise<void> {
  const grants = await sql<{ privilege: string; grantee: string }[]>`
    select privilege_type as privilege, case when grantee = 0 then 'public' else grantee::regrole::text end as grantee
    from pg_class c, aclexplode(c.relacl) where c.oid = ${`${quoted(schema)}.${quoted(table)}`}::text::regclass and grantee <> c.relowner`;
  for (const { privilege, grantee } of grants)
    await sql.unsafe(`grant ${privilege} on lockstep_next.${quoted(table)} to ${grantee}`);
}

async function columnsOf(sql: Sql, table: string): Promise<NextTable["columns"]> {
  return await sql<{ name: string; type: string }[]>`
    select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
    where attrelid = ${`lockstep_next.${quoted(table)}`}::text::regclass and attnum > 0 and not attisdropped and attgenerated = ''
    order by attnum`;
}
