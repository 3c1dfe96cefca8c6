/** Puts the new tables in the live ones' place, in one transaction that nobody notices but by a short wait. */
import type { TransactionSql } from "postgres";
import type { Sql } from "../../../platform/postgres/connect.ts";
import { LEASE_MS } from "../../cache/epoch.ts";
import { type NextTable, quoted, RebuildRejectedError } from "./tables.ts";

/** Longest wait for each table's lock: whoever comes after us waits behind us meanwhile. */
const LOCK_TIMEOUT = "1s";
const ATTEMPTS = 30;
const PAUSE_MS = 1_000;
/** The cache stays off for so long from before the switch on. */
const OFF = "10 seconds";
const LOCK_NOT_AVAILABLE = "55P03";

/**
 * Switches. Applies are held still, the last records are put into the new tables by `catchUp`, and then the tables change places. What was
 * cached before is not served any more.
 *
 * @param sql a session of its own.
 * @throws {RebuildRejectedError} when the new tables lack something that the live ones have, or the locks cannot be had.
 */
export async function switchTables(
  sql: Sql,
  tables: readonly NextTable[],
  catchUp: (within: TransactionSql) => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await moveEpoch(sql);
    // No reader uses an entry of before any more: what it reads from now on comes from the tables.
    await Bun.sleep(LEASE_MS + 100);
    try {
      return await sql.begin(async (transaction) => {
        await change(transaction, tables, catchUp);
      });
    } catch (error) {
      if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE) throw error;
      if (attempt === ATTEMPTS)
        throw new RebuildRejectedError(
          "the tables are in use all the while: end the long transactions, then run it again",
        );
      await Bun.sleep(PAUSE_MS);
    }
  }
}

async function change(
  sql: TransactionSql,
  tables: readonly NextTable[],
  catchUp: (within: TransactionSql) => Promise<void>,
): Promise<void> {
  await sql`select set_config('lock_timeout', ${LOCK_TIMEOUT}, true)`;
  // Every apply holds this lock shared (lockstep.hold_epoch): none is under way from here on, and none begins.
  await sql`select pg_advisory_xact_lock(1280262987, 11)`;
  await catchUp(sql);
  await refuseLoss(sql);
  await sql`create schema lockstep_old`;
  for (const { schema, name } of tables) {
    await sql.unsafe(`alter table ${quoted(schema)}.${quoted(name)} set schema lockstep_old`);
    await sql.unsafe(`alter table lockstep_next.${quoted(name)} set schema ${quoted(schema)}`);
  }
  await sql`alter table lockstep.versions set schema lockstep_old`;
  await sql`alter table lockstep_next.versions set schema lockstep`;
  await sql`insert into lockstep.positions select * from lockstep_next.positions
    on conflict (topic, "partition") do update set next_offset = excluded.next_offset`;
  // Everything that the log had a moment ago is in the tables, also of a partition that had nothing new.
  await sql`update lockstep.positions set at = now()`;
  await sql`drop schema lockstep_next cascade`;
  await moveEpoch(sql);
}

/**
 * What the log still has of an entity must not be older than what the replica has: else the log was made anew or cut off, and the new
 * tables would lose it. An entity that the log has nothing of any more was deleted, and its tombstone forgotten (P4).
 */
async function refuseLoss(sql: TransactionSql): Promise<void> {
  const [row] = await sql<{ lost: string; known: string }[]>`
    select count(*) filter (where n.version < l.version) as lost, count(n.version) as known
    from lockstep.versions l left join lockstep_next.versions n using (entity, id) where not l.deleted`;
  const [there] = await sql<{ any: boolean }[]>`select exists (select from lockstep.versions where not deleted) as any`;
  if (there!.any && Number(row!.known) === 0)
    throw new RebuildRejectedError(
      "the log has nothing of what the replica has: it was made anew. Send everything again first (lockstep backfill)",
    );
  if (Number(row!.lost) > 0)
    throw new RebuildRejectedError(
      `the log has older versions of ${row!.lost} entities than the replica: it was made anew, or cut off. Send them again (lockstep repair, lockstep backfill) and then rebuild`,
    );
}

/** Switches the cache off, as of a new epoch: nothing that was cached before is served. */
async function moveEpoch(sql: Sql | TransactionSql): Promise<void> {
  await sql`select lockstep.move_epoch(epoch, null, ${OFF}::interval) from lockstep.cache_epoch`;
}
