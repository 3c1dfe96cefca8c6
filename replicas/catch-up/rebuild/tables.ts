/** Creates the new tables of a replica in schema `lockstep_next`. The replaced ones go to schema `lockstep_old`. */
import type { TransactionSql } from "postgres";
import { UserError } from "../../../contracts/errors.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";
import { qualified, quoted } from "../../quoted.ts";
import { copyGrants, copyIndexes, copyStorage, copyTriggers } from "./copy-properties.ts";

/** A rebuild is not possible now; the message says what to do. */
export class RebuildRejectedError extends UserError {}

/** The live tables have rows that the log cannot account for, so they stay. */
export class LogIncompleteError extends RebuildRejectedError {
  /** @param detail what the log lacks, with figures. */
  constructor(readonly detail: string) {
    super(`${detail}, so the live tables stay; run lockstep resync: it sends every row again`);
  }
}

/** Another process is rebuilding the replica, or other sessions lock its tables. The same rebuild is possible later. */
export class RebuildBusyError extends RebuildRejectedError {}

/** Schema of the new tables. */
export const NEW_SCHEMA = "lockstep_next";
/** Schema of the tables that a rebuild replaced. They stay until an operator drops them. */
const OLD_SCHEMA = "lockstep_old";

/** Keys of the advisory lock that a rebuild holds while its session lives: Lockstep, rebuild. */
const REBUILD_LOCK = [1_280_262_987, 13] as const;

/** A new table. */
export interface NewTable {
  /** The table's name: the plural of its entity. */
  readonly name: string;
  /** Schema of the live table. */
  readonly schema: string;
  /** Columns with their types, in order; generated columns are left out. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

/** Takes the rebuild's lock for the session. @throws {RebuildBusyError} when another process has it. */
export async function lockRebuild(sql: Sql): Promise<void> {
  const [row] = await sql<
    { locked: boolean }[]
  >`select pg_try_advisory_lock(${REBUILD_LOCK[0]}, ${REBUILD_LOCK[1]}) as locked`;
  if (!row?.locked)
    throw new RebuildBusyError("another process is rebuilding this replica; wait until it has finished");
}

/**
 * Creates the new tables that are missing. An interrupted rebuild continues with its tables, unless a migration has
 * changed the live ones since.
 *
 * @param keepOldest whether tables of an earlier rebuild may exist.
 * @throws {RebuildRejectedError} when they exist and may not, or an object that Lockstep did not create depends on a
 * live table: it would stay with the old one.
 */
export async function prepareTables(sql: Sql, tables: readonly string[], keepOldest = false): Promise<NewTable[]> {
  if (!keepOldest && (await hasOldTables(sql)))
    throw new RebuildRejectedError("the tables that the last rebuild replaced still exist; drop them with --drop-old");
  await dropChangedTables(sql, tables);
  await sql`create schema if not exists lockstep_next`;
  await rejectDependents(sql, "lockstep", "versions");
  await sql`create table if not exists lockstep_next.versions (like lockstep.versions including all)`;
  await copyStorage(sql, "lockstep", "versions");
  await sql`create table if not exists lockstep_next.positions (like lockstep.positions including all)`;
  const newTables: NewTable[] = [];
  for (const name of tables) {
    const schema = await liveSchema(sql, name);
    await rejectDependents(sql, schema, name);
    await sql.unsafe(
      `create table if not exists ${qualified(NEW_SCHEMA, name)} (like ${qualified(schema, name)} including all excluding indexes)`,
    );
    await copyStorage(sql, schema, name);
    await copyIndexes(sql, schema, name, "primary");
    await copyTriggers(sql, schema, name);
    newTables.push({ name, schema, columns: await columnsOf(sql, name) });
  }
  return newTables;
}

/**
 * Adds what is cheaper to add to filled tables: the other indexes, grants and statistics.
 *
 * @throws the database's error.
 */
export async function finishTables(sql: Sql, tables: readonly NewTable[]): Promise<void> {
  for (const { schema, name } of tables) {
    await copyIndexes(sql, schema, name, "others");
    await copyGrants(sql, schema, name);
    await sql.unsafe(`analyze ${qualified(NEW_SCHEMA, name)}`);
  }
  await copyGrants(sql, "lockstep", "versions");
  await sql`analyze lockstep_next.versions`;
}

/** Drops the new tables. @throws the database's error. */
export const dropNewSchema = (sql: Sql): Promise<unknown> => sql`drop schema if exists lockstep_next cascade`.execute();

/**
 * Drops the tables that the last rebuild replaced.
 *
 * @returns false when there were none.
 * @throws the database's error.
 */
export async function dropOldSchema(sql: Sql): Promise<boolean> {
  const existed = await hasOldTables(sql);
  await sql`drop schema if exists lockstep_old cascade`;
  return existed;
}

/** True while the tables of an earlier rebuild exist. @throws the database's error. */
export async function hasOldTables(sql: Sql | TransactionSql): Promise<boolean> {
  return (await sql`select from pg_namespace where nspname = ${OLD_SCHEMA}`).length > 0;
}

async function liveSchema(sql: Sql, table: string): Promise<string> {
  const [row] = await sql<{ schema: string }[]>`
    select n.nspname as schema from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass(${quoted(table)})`;
  if (!row) throw new RebuildRejectedError(`table ${table} does not exist; start the replica once, which creates it`);
  return row.schema;
}

/** Drops new tables whose columns are no longer those of the live ones. */
async function dropChangedTables(sql: Sql, tables: readonly string[]): Promise<void> {
  const shapeOf = async (schema: string, name: string) => {
    const [row] = await sql<{ shape: string | null }[]>`
      select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attname) as shape from pg_attribute
      where attrelid = to_regclass(${qualified(schema, name)}) and attnum > 0 and not attisdropped`;
    return row!.shape;
  };
  const live: (readonly [schema: string, name: string])[] = [
    ["lockstep", "versions"],
    ["lockstep", "positions"],
  ];
  for (const name of tables) live.push([await liveSchema(sql, name), name]);
  for (const [schema, name] of live) {
    const shape = await shapeOf(NEW_SCHEMA, name);
    if (shape !== null && shape !== (await shapeOf(schema, name))) await dropNewSchema(sql);
  }
}

/**
 * Rejects objects that cannot move to the new table. Views, rules and foreign keys would stay with the old one. Other
 * triggers would report rows that are not new. Without its row security, the new table would show all rows to everyone.
 */
async function rejectDependents(sql: Sql, schema: string, table: string): Promise<void> {
  const live = qualified(schema, table);
  const objects = await sql<{ name: string }[]>`
    select 'trigger ' || tgname as name from pg_trigger where tgrelid = ${live}::text::regclass and not tgisinternal and tgtype & 3 <> 3
    union all
    select 'foreign key ' || conname from pg_constraint where contype = 'f' and ${live}::text::regclass in (conrelid, confrelid)
    union all
    select 'rule ' || rulename from pg_rewrite where ev_class = ${live}::text::regclass
    union all
    select 'row security' from pg_class where oid = ${live}::text::regclass and relrowsecurity
    union all
    select distinct 'view ' || v.relname from pg_depend d join pg_rewrite r on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass
      join pg_class v on v.oid = r.ev_class where d.refobjid = ${live}::text::regclass and v.oid <> d.refobjid`;
  if (objects.length === 0) return;
  const names = objects.map(({ name }) => name).join(", ");
  throw new RebuildRejectedError(
    `table ${table} has what a rebuild cannot move to its new table: ${names}; drop it before the rebuild and create it again afterwards`,
  );
}

async function columnsOf(sql: Sql, table: string): Promise<NewTable["columns"]> {
  return await sql<{ name: string; type: string }[]>`
    select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
    where attrelid = ${qualified(NEW_SCHEMA, table)}::text::regclass and attnum > 0 and not attisdropped and attgenerated = ''
    order by attnum`;
}
