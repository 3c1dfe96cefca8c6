/** Creates the new tables of a replica in schema `lockstep_next`. The replaced ones go to schema `lockstep_old`. */
import type { TransactionSql } from "postgres";
import { quotedTable } from "../../../contracts/entity/table.ts";
import { UserError } from "../../../contracts/errors.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";
import { listText } from "../../../platform/postgres/connect.ts";
import type { ReplicaTable } from "../../table.ts";
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

/** A live table, and the new one that is filled for it. */
export interface NewRelation {
  /** The live table. */
  readonly live: { readonly schema: string; readonly name: string };
  /** Name of the new table in schema {@link NEW_SCHEMA}. */
  readonly name: string;
  /** Columns by which a row is found. */
  readonly key: readonly string[];
  /** Declared columns. */
  readonly columns: readonly string[];
  /**
   * True: the owner has made something that depends on the live table, or columns that the log does not have, or the
   * table's names are those of others in another schema. So the table stays, and the switch brings its rows to those of
   * the new one.
   */
  readonly isMerged: boolean;
}

/** The new tables of one entity. */
export interface NewTable {
  readonly table: ReplicaTable;
  /** The entity's own table, then those of its children. */
  readonly relations: readonly NewRelation[];
  /** Name of the function that applies changes to the new tables, in schema {@link NEW_SCHEMA}. */
  readonly apply: string;
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
 * changed the live ones since, or the program declares other columns.
 *
 * @param keepOldest whether tables of an earlier rebuild may exist.
 * @throws {RebuildRejectedError} when they exist and may not, when a live table does not exist, or when an object that
 * Lockstep did not create depends on `lockstep.versions`: it would stay with the old one.
 */
export async function prepareTables(
  sql: Sql,
  tables: readonly ReplicaTable[],
  keepOldest = false,
): Promise<NewTable[]> {
  if (!keepOldest && (await hasOldTables(sql)))
    throw new RebuildRejectedError("the tables that the last rebuild replaced still exist; drop them with --drop-old");
  const dependents = await dependentsOf(sql, "lockstep", "versions");
  if (dependents.length > 0)
    throw new RebuildRejectedError(
      `table versions has what a rebuild cannot move to its new table: ${dependents.join(", ")}; drop it before the rebuild and create it again afterwards`,
    );
  const relations = await newRelationsOf(sql, tables);
  await dropChangedTables(sql, [...relations.values()].flat());
  return (await createTables(sql, relations)) ?? (await createTables(sql, relations)) ?? [];
}

/** @returns undefined when the new tables were filled with other columns: they are dropped now. */
async function createTables(
  sql: Sql,
  relations: ReadonlyMap<ReplicaTable, readonly NewRelation[]>,
): Promise<NewTable[] | undefined> {
  await sql`create schema if not exists lockstep_next`;
  await sql`create table if not exists lockstep_next.versions (like lockstep.versions including all)`;
  await copyStorage(sql, { schema: "lockstep", name: "versions" }, "versions");
  await sql`create table if not exists lockstep_next.positions (like lockstep.positions including all)`;
  const newTables: NewTable[] = [];
  for (const [table, ofTable] of relations) {
    for (const { live, name, key } of ofTable) {
      await sql.unsafe(
        `create table if not exists ${quotedTable({ schema: NEW_SCHEMA, name })} (like ${quotedTable(live)} including all excluding indexes)`,
      );
      await copyStorage(sql, live, name);
      await copyIndexes(sql, live, name, { key });
      await copyTriggers(sql, live, name);
    }
    const apply = await createApply(sql, table, ofTable);
    if (!apply) return void (await dropNewSchema(sql));
    newTables.push({ table, relations: ofTable, apply });
  }
  return newTables;
}

/** @returns undefined when there is a function for other columns. */
async function createApply(
  sql: Sql,
  { description: { entity, options } }: ReplicaTable,
  [own, ...children]: readonly NewRelation[],
): Promise<string | undefined> {
  const ofNext = {
    ...options,
    children: options.children.map((child, i) => ({
      ...child,
      relation: quotedTable({ schema: NEW_SCHEMA, name: children[i]!.name }),
    })),
  };
  const [row] = await sql<{ name: string }[]>`
    select lockstep.replicate_next(${quotedTable({ schema: NEW_SCHEMA, name: own!.name })}::text::regclass, ${entity.name}::text,
      ${JSON.stringify(ofNext)}::text::jsonb) as name`;
  const others = await sql`
    select from pg_proc where pronamespace = 'lockstep_next'::regnamespace
      and proname <> ${row!.name} and left(proname, -8) = left(${row!.name}, -8)`;
  return others.length > 0 ? undefined : row!.name;
}

/**
 * Adds what is cheaper to add to filled tables: the other indexes, grants and statistics.
 *
 * @throws the database's error.
 */
export async function finishTables(sql: Sql, tables: readonly NewTable[]): Promise<void> {
  for (const { live, name, isMerged } of tables.flatMap(({ relations }) => relations)) {
    if (!isMerged) {
      await copyIndexes(sql, live, name, "others");
      await copyGrants(sql, live, name);
    }
    await sql.unsafe(`analyze ${quotedTable({ schema: NEW_SCHEMA, name })}`);
  }
  await copyGrants(sql, { schema: "lockstep", name: "versions" }, "versions");
  await sql`analyze lockstep_next.versions`;
}

/** Name of the new table. @param live quoted name of the live one, as declared. @throws {Error} when there is none. */
export function newNameOf(tables: readonly NewTable[], live: string): string {
  for (const { table, relations } of tables) {
    const declared = [table.name, ...table.description.options.children.map(({ relation }) => relation)];
    const found = relations[declared.indexOf(live)];
    if (found) return found.name;
  }
  throw new Error(`the rebuild has no new table of ${live}`);
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

/** Names that the new schema has for other tables. */
const RESERVED_NAMES = ["versions", "positions", "unaccounted"];

async function newRelationsOf(
  sql: Sql,
  tables: readonly ReplicaTable[],
): Promise<Map<ReplicaTable, readonly NewRelation[]>> {
  const declared = new Map<ReplicaTable, Omit<NewRelation, "name" | "isMerged">[]>();
  for (const table of tables) {
    const { key, columns, children } = table.description.options;
    const relations = [{ live: await liveTable(sql, table.name), key, columns }];
    for (const child of children)
      relations.push({
        live: await liveTable(sql, child.relation),
        key: [...child.parentKey, ...child.key],
        columns: [...new Set([...child.parentKey, ...child.columns])],
      });
    declared.set(table, relations);
  }
  const all = [...declared.values()].flat().map(({ live }) => live);
  const isTaken = ({ name }: NewRelation["live"]) =>
    RESERVED_NAMES.includes(name) || all.filter((one) => one.name === name).length > 1;
  // The new schema and the one of the replaced tables hold the names of one live schema.
  const isElsewhere = ({ schema }: NewRelation["live"]) => schema !== all[0]!.schema;
  const found = new Map<ReplicaTable, NewRelation[]>();
  for (const [table, relations] of declared) {
    const ofTable: NewRelation[] = [];
    for (const relation of relations) {
      const { schema, name } = relation.live;
      const isMerged =
        isTaken(relation.live) ||
        isElsewhere(relation.live) ||
        (await dependentsOf(sql, schema, name)).length > 0 ||
        (await hasOwnColumns(sql, relation));
      ofTable.push({ ...relation, name: isTaken(relation.live) ? `${schema}.${name}` : name, isMerged });
    }
    found.set(table, ofTable);
  }
  return found;
}

/** @param relation quoted, with its schema where the search path does not include it. */
async function liveTable(sql: Sql, relation: string): Promise<NewRelation["live"]> {
  const [row] = await sql<{ schema: string; name: string }[]>`
    select n.nspname as schema, c.relname as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass(${relation})`;
  if (!row)
    throw new RebuildRejectedError(`table ${relation} does not exist; start the replica once, which creates it`);
  return row;
}

async function hasOwnColumns(sql: Sql, { live, columns }: Pick<NewRelation, "live" | "columns">): Promise<boolean> {
  const own = await sql`
    select from pg_attribute where attrelid = ${quotedTable(live)}::text::regclass
      and attnum > 0 and not attisdropped and attgenerated = '' and attname <> all (${listText(columns)}::text::text[])`;
  return own.length > 0;
}

/** Drops new tables whose columns are no longer those of the live ones. */
async function dropChangedTables(sql: Sql, relations: readonly NewRelation[]): Promise<void> {
  const shapeOf = async (schema: string, name: string) => {
    const [row] = await sql<{ shape: string | null }[]>`
      select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attname) as shape from pg_attribute
      where attrelid = to_regclass(${quotedTable({ schema, name })}) and attnum > 0 and not attisdropped`;
    return row!.shape;
  };
  const own = ["versions", "positions"].map((name) => ({ live: { schema: "lockstep", name }, name }));
  for (const { live, name } of [...own, ...relations]) {
    const shape = await shapeOf(NEW_SCHEMA, name);
    if (shape !== null && shape !== (await shapeOf(live.schema, live.name))) await dropNewSchema(sql);
  }
}

/**
 * Objects that cannot move to a new table. Views, rules and foreign keys would stay with the old one. Other triggers
 * would report rows that are not new. Without its row security, the new table would show all rows to everyone.
 */
async function dependentsOf(sql: Sql, schema: string, table: string): Promise<string[]> {
  const live = quotedTable({ schema, name: table });
  const objects = await sql<{ name: string }[]>`
    select 'trigger ' || tgname as name from pg_trigger where tgrelid = ${live}::text::regclass and not tgisinternal and tgtype & 3 <> 3
    union all
    select 'foreign key ' || conname from pg_constraint where contype = 'f' and ${live}::text::regclass in (conrelid, confrelid)
    union all
    select 'rule ' || rulename from pg_rewrite where ev_class = ${live}::text::regclass
    union all
    select 'row security' from pg_class where oid = ${live}::text::regclass and relrowsecurity
    union all
    select 'partitions' from pg_class where oid = ${live}::text::regclass and (relkind = 'p' or relispartition)
    union all
    select 'inheritance' from pg_inherits where inhparent = ${live}::text::regclass or inhrelid = ${live}::text::regclass
    union all
    select distinct 'view ' || v.relname from pg_depend d join pg_rewrite r on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass
      join pg_class v on v.oid = r.ev_class where d.refobjid = ${live}::text::regclass and v.oid <> d.refobjid`;
  return objects.map(({ name }) => name);
}
