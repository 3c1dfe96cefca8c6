/**
 * Leader election among relays, by a PostgreSQL session lock. A leader that dies releases the lock at once.
 *
 * States: standby → leading → ended.
 * - standby: tries to get the lock every {@link STANDBY_POLL_MS}. When the leader's heartbeat is older than
 *   {@link HEARTBEAT_TIMEOUT_S} (it is stopped, or disconnected while its session still looks alive), a standby relay
 *   terminates the leader's session.
 * - leading: holds the lock and renews its heartbeat every {@link HEARTBEAT_MS}. Left when the session closes; a relay
 *   cannot lead again after that, so its process ends.
 *
 * A terminated leader that resumes does no harm: its session is closed and its log writer is fenced (P9).
 */
import type { Sql } from "postgres";
import { sleepUnlessAborted } from "../platform/async/sleep.ts";

/** First key of all of Lockstep's advisory locks in the source. The capture trigger uses the same number. */
export const LOCK_SPACE = 1_280_262_987;
/** Held while the relay is asleep. A writer that cannot share it sends a NOTIFY (0001-capture.sql of the gateway). */
const SLEEP_LOCK = 1;
const LEADER_LOCK = 2;

const STANDBY_POLL_MS = 200;
const HEARTBEAT_MS = 1_000;
const HEARTBEAT_TIMEOUT_S = 5;

/** The lock of one relay process. Its statements throw what the database reports. */
export class LeaderLock {
  private heartbeat: Timer | undefined;

  /**
   * @param sql the session that holds the lock.
   * @param holder name of this process, for operators who read `lockstep.relay_lease`.
   */
  constructor(
    private readonly sql: Sql,
    private readonly holder: string,
  ) {}

  /** Waits until this session leads. @returns false when the signal aborted first. */
  async acquire(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      // One statement takes the lock and renews the heartbeat. Otherwise the last leader's heartbeat would still be
      // there, and another standby relay would terminate this session.
      const rows = await this.sql`
        with try as (select pg_try_advisory_lock(${LOCK_SPACE}, ${LEADER_LOCK}) as leads)
        insert into lockstep.relay_lease (only_row, holder, heartbeat)
        select true, ${this.holder}, clock_timestamp() from try where leads
        on conflict (only_row) do update set holder = excluded.holder, heartbeat = excluded.heartbeat
        returning true`;
      if (rows.length > 0) return true;
      await this.terminateStaleLeader();
      await sleepUnlessAborted(STANDBY_POLL_MS, signal);
    }
    return false;
  }

  /** Renews the heartbeat until {@link stopHeartbeat}. @param onFailure called with the error of a failed renewal. */
  startHeartbeat(onFailure: (error: unknown) => void): void {
    this.heartbeat = setInterval(() => this.renewHeartbeat().catch(onFailure), HEARTBEAT_MS);
  }

  stopHeartbeat(): void {
    clearInterval(this.heartbeat);
  }

  /**
   * Announces that the relay is about to sleep. From then on every writer sends a NOTIFY.
   *
   * @returns false while a writer that found the relay awake has not committed: the relay must then stay awake.
   */
  async fallAsleep(): Promise<boolean> {
    const [row] = await this.sql<
      { asleep: boolean }[]
    >`select pg_try_advisory_lock(${LOCK_SPACE}, ${SLEEP_LOCK}) as asleep`;
    return row!.asleep;
  }

  /** Announces that the relay is awake. From then on writers send no NOTIFY. */
  async wakeUp(): Promise<void> {
    await this.sql`select pg_advisory_unlock(${LOCK_SPACE}, ${SLEEP_LOCK})`;
  }

  private async renewHeartbeat(): Promise<void> {
    await this.sql`
      update lockstep.relay_lease set holder = ${this.holder}, heartbeat = clock_timestamp()`;
  }

  private async terminateStaleLeader(): Promise<void> {
    await this.sql`
      select pg_terminate_backend(l.pid)
      from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database()
      where l.locktype = 'advisory' and l.classid::bigint = ${LOCK_SPACE} and l.objid::bigint = ${LEADER_LOCK}
        and l.granted
        and exists (
          select from lockstep.relay_lease
          where heartbeat < clock_timestamp() - make_interval(secs => ${HEARTBEAT_TIMEOUT_S}))`;
  }
}
