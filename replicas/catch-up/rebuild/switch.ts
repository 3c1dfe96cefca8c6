/** Replaces the live tables by the new ones, in one transaction. Readers and applies only wait for a moment. */
import type { TransactionSql } from "postgres";
import { sleep } from "../../../platform/async/sleep.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";
import { LEASE_MS } from "../../cache/epoch.ts";
import { quoted } from "../../quoted.ts";
import { type NewTable, RebuildRejectedError } from "./tables.ts";

/** Longest wait for each table's lock. Every other query on the table queues behind ours meanwhile. */
const LOCK_TIMEOUT = "1s";
const MAX_ATTEMPTS = 30;
const RETRY_DELAY_MS = 1_000;
/** Added to a lease, so that all leases on the old epoch have expired. */
const LEASE_MARGIN_MS = 100;
/** The cache stays off for this time, counted from before the switch. */
const CACHE_OFF = "10 seconds";
const LOCK_NOT_AVAILABLE = "55P03";

/**
 * Switches to the new tables. Applies wait while `fillRest` writes the last records. What was cached before is not
 * served any more.
 *
 * @param sql a session of its own.
 * @throws {RebuildRejectedError} when the new tables lack something that the live ones have, or the locks are not
 * available.
 */
export async function switchTables(
  sql: Sql,
  tables: readonly NewTable[],
  fillRest: (transaction: TransactionSql) => Promise<void>,
): Promise<void> {
  // Not retry(): each attempt first has to end the leases, and only one error is retried, a limited number of times.
  for (let attempt = 1; ; attempt++) {
    await switchCacheOff(sql);
    await sleep(LEASE_MS + LEASE_MARGIN_MS);
    try {
      return await sql.begin(async (transaction) => {
        await replaceTables(transaction, tables, fillRest);
      });
    } catch (error) {
      if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE) throw error;
      if (attempt === MAX_ATTEMPTS)
        throw new RebuildRejectedError(
          `the tables are locked by other transactions (tried ${MAX_ATTEMPTS} times); end long transactions and run the rebuild again`,
        );
      await sleep(RETRY_DELAY_MS);
    }
  }
}

async function replaceTables(
  sql: TransactionSql,
  tables: readonly NewTable[],
  fillRest: (transaction: TransactionSql) => Promise<void>,
): Promise<void> {
  await sql`select set_config('lock_timeout', ${LOCK_TIMEOUT}, true)`;
  // Every apply holds this lock in shared mode (lockstep.hold_epoch), so no apply runs from here to the commit.
  await sql`select pg_advisory_xact_lock(1280262987, 11)`;
  await fillRest(sql);
  await rejectLoss(sql);
  await sql`create schema lockstep_old`;
  for (const { schema, name } of tables) {
    await sql.unsafe(`alter table ${quoted(schema)}.${quoted(name)} set schema lockstep_old`);
    await sql.unsafe(`alter table lockstep_next.${quoted(name)} set schema ${quoted(schema)}`);
  }
  await sql`alter table lockstep.versions set schema lockstep_old`;
  await sql`alter table lockstep_next.versions set schema lockstep`;
  await sql`insert into lockstep.positions select * from lockstep_next.positions
    on conflict (topic, "partition") do update set next_offset = excluded.next_offset`;
  // The tables have everything that the log had a moment ago, in partitions without new records too.
  await sql`update lockstep.positions set at = now()`;
  await sql`drop schema lockstep_next cascade`;
  await switchCacheOff(sql);
}

/**
 * Rejects new tables that would lose data: the log must not have an older version of an entity than the replica. An
 * entity without a record in the log is no loss: it was deleted, and its tombstone too (P4).
 */
async function rejectLoss(sql: TransactionSql): Promise<void> {
  const [row] = await sql<{ older: string; common: string; live: string }[]>`
    select count(*) filter (where n.version < l.version) as older, count(n.version) as common, count(*) as live
    from lockstep.versions l left join lockstep_next.versions n using (entity, id) where not l.deleted`;
  const { older, common, live } = row!;
  if (Number(live) > 0 && Number(common) === 0)
    throw new RebuildRejectedError(
      "the log has none of the replica's entities, so it was recreated; send all entities again (lockstep backfill), then rebuild",
    );
  if (Number(older) > 0)
    throw new RebuildRejectedError(
      `the log has older versions of ${older} entities than the replica, so it was recreated or truncated; send them again (lockstep repair or lockstep backfill), then rebuild`,
    );
}

/** Moves to a new epoch that is off: nothing that was cached before is served. */
async function switchCacheOff(sql: Sql | TransactionSql): Promise<void> {
  await sql`select lockstep.move_epoch(epoch, null, ${CACHE_OFF}::interval) from lockstep.cache_epoch`;
}
