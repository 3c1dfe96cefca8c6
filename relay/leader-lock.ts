/**
 * One relay leads at a time. Leading is holding a PostgreSQL session lock, so a leader that dies frees it at once.
 *
 * States: standing by → leading → ended.
 * - standing by: asks for the lock every {@link STANDBY_POLL_MS}. A leader whose heartbeat is older than
 *   {@link HEARTBEAT_STALE_S} (stopped, or cut off while its session still looks alive) is put out by ending its session.
 * - leading: the session is its life. When the connection closes, leading has ended and cannot be regained: the process ends.
 *
 * A leader that was put out and comes back can do no harm: its session is gone, and its log writer is fenced.
 */
import type { Sql } from "postgres";

/** First key of all of Lockstep's advisory locks in the source; the capture trigger uses the same. */
export const LOCK_SPACE = 1_280_262_987;
/** Held while the relay sleeps: writers that cannot share it send a NOTIFY (see gateway/migrations/0001-capture.sql). */
const SLEEP_LOCK = 1;
const LEADER_LOCK = 2;

export const STANDBY_POLL_MS = 200;
const HEARTBEAT_MS = 1_000;
const HEARTBEAT_STALE_S = 5;

export class LeaderLock {
  private beating: Timer | undefined;

  constructor(
    private readonly sql: Sql,
    private readonly holder: string,
  ) {}

  /** Resolves true when this session leads, false when `aborted` said to give up. */
  async lead(aborted: () => boolean): Promise<boolean> {
    while (!aborted()) {
      // Lock and first heartbeat in one statement: a heartbeat of the last leader must not put out this one.
      const rows = await this.sql`
        with try as (select pg_try_advisory_lock(${LOCK_SPACE}, ${LEADER_LOCK}) as leads)
        insert into lockstep.relay_lease (only_row, holder, heartbeat)
        select true, ${this.holder}, clock_timestamp() from try where leads
        on conflict (only_row) do update set holder = excluded.holder, heartbeat = excluded.heartbeat
        returning true`;
      if (rows.length > 0) return true;
      await this.putOutStaleLeader();
      await Bun.sleep(STANDBY_POLL_MS);
    }
    return false;
  }

  /** Keeps the heartbeat going; `failed` is called once when it cannot be renewed. */
  keepBeating(failed: (error: unknown) => void): void {
    this.beating = setInterval(() => this.beat().catch(failed), HEARTBEAT_MS);
  }

  stop(): void {
    clearInterval(this.beating);
  }

  /**
   * Announces that the relay is about to sleep, so that writers notify from now on.
   *
   * @returns false while a writer that found it awake has not committed: then keep polling instead.
   */
  async fallAsleep(): Promise<boolean> {
    const [row] = await this.sql<
      { asleep: boolean }[]
    >`select pg_try_advisory_lock(${LOCK_SPACE}, ${SLEEP_LOCK}) as asleep`;
    return row!.asleep;
  }

  async wakeUp(): Promise<void> {
    await this.sql`select pg_advisory_unlock(${LOCK_SPACE}, ${SLEEP_LOCK})`;
  }

  private async beat(): Promise<void> {
    await this.sql`
      update lockstep.relay_lease set holder = ${this.holder}, heartbeat = clock_timestamp()`;
  }

  private async putOutStaleLeader(): Promise<void> {
    await this.sql`
      select pg_terminate_backend(l.pid)
      from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database()
      where l.locktype = 'advisory' and l.classid::bigint = ${LOCK_SPACE} and l.objid::bigint = ${LEADER_LOCK} and l.granted
        and exists (select from lockstep.relay_lease where heartbeat < clock_timestamp() - make_interval(secs => ${HEARTBEAT_STALE_S}))`;
  }
}
