/** Replaces the live tables by the new ones, in one transaction. Readers and applies only wait for a moment. */
import type { TransactionSql } from "postgres";
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import { quotedName, quotedTable } from "../../../contracts/entity/table.ts";
import { sleep } from "../../../platform/async/sleep.ts";
import { listText, type Sql } from "../../../platform/postgres/connect.ts";
import { isLockTimeout } from "../../../platform/postgres/errors.ts";
import { LEASE_MS } from "../../cache/epoch.ts";
import { keepTombstones, lossText, measureLoss } from "./account.ts";
import {
  hasOldTables,
  LogIncompleteError,
  NEW_SCHEMA,
  type NewRelation,
  type NewTable,
  RebuildBusyError,
} from "./tables.ts";

/** Longest wait for each table's lock. Every other query on the table queues behind ours meanwhile. */
const LOCK_TIMEOUT = "1s";
const MAX_ATTEMPTS = 30;
const RETRY_DELAY_MS = 1_000;
/** Added to a lease, so that all leases on the old epoch have expired. */
const LEASE_MARGIN_MS = 100;
/** The cache stays off for this time, counted from before the switch. */
const CACHE_OFF = "10 seconds";

/** What a switch needs. */
export interface SwitchOptions {
  readonly tables: readonly NewTable[];
  /** The entities that users see. */
  readonly entities: readonly EntityDeclaration[];
  /** Writes the last records. Applies wait meanwhile. */
  readonly fillRest: (transaction: TransactionSql) => Promise<void>;
  /** Number of entities whose row the new tables rejected. */
  readonly rejected: () => number;
  /** True: the new tables equal the source, so what they lack is gone. */
  readonly isCompared: boolean;
}

/**
 * Switches to the new tables. What was cached before is not served any more. The replaced tables go to `lockstep_old`.
 * If that schema exists, they are dropped: the older ones date from before the first rebuild, and stay.
 *
 * @param sql a session of its own.
 * @throws {LogIncompleteError} when the log cannot account for rows of the live tables.
 * @throws {RebuildBusyError} when the locks are not available.
 */
export async function switchTables(sql: Sql, options: SwitchOptions): Promise<void> {
  // Not retry(): each attempt first has to end the leases, and only one error is retried, a limited number of times.
  for (let attempt = 1; ; attempt++) {
    await switchCacheOff(sql);
    await sleep(LEASE_MS + LEASE_MARGIN_MS);
    try {
      return await sql.begin(async (transaction) => {
        await replaceTables(transaction, options);
      });
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      if (attempt === MAX_ATTEMPTS)
        throw new RebuildBusyError(
          `the tables are locked by other transactions (tried ${MAX_ATTEMPTS} times); end long transactions and run the rebuild again`,
        );
      await sleep(RETRY_DELAY_MS);
    }
  }
}

async function replaceTables(sql: TransactionSql, options: SwitchOptions): Promise<void> {
  await sql`select set_config('lock_timeout', ${LOCK_TIMEOUT}, true)`;
  // Every apply holds this lock in shared mode (lockstep.hold_epoch), so no apply runs from here to the commit.
  await sql`select pg_advisory_xact_lock(1280262987, 11)`;
  await options.fillRest(sql);
  await rejectLoss(sql, options);
  await keepTombstones(sql);
  const relations = options.tables.flatMap((table) => table.relations);
  await mergeTables(
    sql,
    relations.filter(({ isMerged }) => isMerged),
  );
  const keepOldest = await hasOldTables(sql);
  if (!keepOldest) await sql`create schema lockstep_old`;
  const versions = { live: { schema: "lockstep", name: "versions" }, name: "versions" };
  for (const { live, name } of [...relations.filter(({ isMerged }) => !isMerged), versions]) {
    const table = quotedTable(live);
    await sql.unsafe(keepOldest ? `drop table ${table}` : `alter table ${table} set schema lockstep_old`);
    await sql.unsafe(`alter table lockstep_next.${quotedName(name)} set schema ${quotedName(live.schema)}`);
  }
  await sql`insert into lockstep.positions select * from lockstep_next.positions
    on conflict (topic, "partition") do update
    set next_offset = excluded.next_offset, topic_id = excluded.topic_id`;
  // The tables have everything that the log had a moment ago, in partitions without new records too.
  await sql`update lockstep.positions set at = now()`;
  await sql`delete from lockstep.log_incomplete`;
  await sql`drop schema lockstep_next cascade`;
  await switchCacheOff(sql);
}

/**
 * Brings the rows of live tables to those of the new ones. Only rows that differ are written, so columns, triggers and
 * whatever else the owner has keep working. Parents come before their children, and are deleted after them.
 */
async function mergeTables(sql: TransactionSql, relations: readonly NewRelation[]): Promise<void> {
  const parametersOf = ({ live, name, key }: NewRelation) =>
    sql`${quotedTable(live)}::text::regclass, ${quotedTable({ schema: NEW_SCHEMA, name })}::text::regclass,
      ${listText(key)}::text::text[]`;
  for (const relation of relations)
    await sql`select lockstep.merge_rows(${parametersOf(relation)}, ${listText(relation.columns)}::text::text[])`;
  for (const relation of relations.toReversed()) await sql`select lockstep.delete_missing(${parametersOf(relation)})`;
}

/**
 * Rejects new tables that would lose data: each live row must be in them at its version or a newer one, or be proven
 * gone. An older version is never accepted: the replica would go back in time (P3).
 */
async function rejectLoss(sql: TransactionSql, { entities, rejected, isCompared }: SwitchOptions): Promise<void> {
  const loss = await measureLoss(sql, entities);
  const text = lossText(isCompared ? { ...loss, missing: 0 } : loss);
  if (text === undefined) return;
  const count = rejected();
  throw new LogIncompleteError(count > 0 ? `${text}; the new tables rejected ${count} of its entities` : text);
}

/** Moves to a new epoch that is off: nothing that was cached before is served. */
async function switchCacheOff(sql: Sql | TransactionSql): Promise<void> {
  await sql`select lockstep.move_epoch(epoch, null, ${CACHE_OFF}::interval) from lockstep.cache_epoch`;
}
