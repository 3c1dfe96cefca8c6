/**
 * The cache's epoch: one row in the replica's PostgreSQL that tells which cached documents may be used, and this
 * process' lease on it.
 *
 * States of an epoch; its number only rises:
 * - on: names the Redis server that has its documents. {@link CacheEpoch.disable} opens a new epoch that is off, when a
 *   batch could not be fenced or Redis has lost the epoch.
 * - off: no cache has documents of it, and no cache ever gets any. {@link CacheEpoch.enable} opens a new epoch that is
 *   on, when no batch was applied without a fence for {@link OFF_MS}.
 *
 * A reader may use documents of an epoch while its lease lasts: {@link LEASE_MS} from the start of the query that read
 * the epoch. While there are reads, the lease is renewed before it ends; otherwise once a second, and the next read
 * renews it. An applier that reads a new epoch waits that long before it applies anything, so that no reader uses the
 * older one any more.
 */
import { sleep } from "../../platform/async/sleep.ts";
import { settlesWithin } from "../../platform/async/timeout.ts";
import type { Database } from "../../platform/postgres/database.ts";

/** How long a process may use an epoch after the start of the query that read it. */
export const LEASE_MS = 500;
/** Time between two renewals of the lease while there are reads. */
const RENEW_MS = 150;
/** The same while there are none. A renewal costs an idle process 1 ms of CPU, most of it for waking up. */
const IDLE_RENEW_MS = 1_000;
/** The same while the cache is off. It is switched on at a renewal, so at most this long after {@link OFF_MS}. */
const OFF_RENEW_MS = 500;
/** How long a read without a lease waits for a renewal. */
const READ_RENEW_MS = 100;
/** Age up to which {@link CacheEpoch.recent} is known, while the database responds. */
const RECENT_MS = 2 * IDLE_RENEW_MS + LEASE_MS;
/** Time between two replacements of connections to a read-only database. */
const RECONNECT_MS = 1_000;
/** How long the cache stays off after the last batch without a fence. */
export const OFF_MS = 3_000;

/** An epoch as this process has read it. */
export interface Epoch {
  readonly epoch: number;
  /** Run id of the Redis server that has this epoch's documents; null while the cache is off. */
  readonly runId: string | null;
  /** True when the cache has been off for long enough to be switched on. */
  readonly due: boolean;
}

interface StoredEpoch extends Epoch {
  /** Number of the epoch before. */
  readonly previous: number;
}

/** This process' view of the epoch. All times are milliseconds of the monotonic clock. */
export class CacheEpoch {
  private latest: StoredEpoch | undefined;
  private leasedUntil = 0;
  /** When all leases on older epochs have expired. */
  private oldLeasesExpireAt = 0;
  private firstReadAt = 0;
  private reading: Promise<Epoch> | undefined;
  private readOnly = false;
  private reconnectedAt = 0;
  private timer: Timer | undefined;
  private onRenewed: ((error?: unknown) => void) | undefined;
  /** When a read last used the lease. */
  private usedAt = Number.NEGATIVE_INFINITY;
  private readAt = Number.NEGATIVE_INFINITY;
  /** The renewal that reads without a lease wait for. */
  private renewing: Promise<unknown> | undefined;

  /** @param database connections of its own, because a lease must not queue behind the replica's work. */
  constructor(
    private readonly database: Database,
    private readonly onEpoch: (epoch: Epoch) => void = () => {},
  ) {}

  /** Renews the lease until {@link stop}. @param onRenewed called after each attempt, with an error when it failed. */
  start(onRenewed: (error?: unknown) => void): void {
    this.onRenewed = onRenewed;
    this.scheduleRenewal();
  }

  /** Ends the renewals; the lease expires. */
  stop(): void {
    this.onRenewed = undefined;
    clearTimeout(this.timer);
  }

  /** The epoch that this process may use now; undefined when its lease has expired. */
  lease(): Epoch | undefined {
    return performance.now() < this.leasedUntil ? this.latest : undefined;
  }

  /**
   * The lease for a read. The first read after a pause waits for a renewal, {@link READ_RENEW_MS} at most. Never
   * throws.
   *
   * @returns undefined when the lease has expired and PostgreSQL is too slow to renew it.
   */
  leaseForRead(): Epoch | undefined | Promise<Epoch | undefined> {
    const wasUsed = this.isUsed;
    this.usedAt = performance.now();
    if (!wasUsed && this.onRenewed) this.scheduleRenewal();
    const leased = this.lease();
    if (leased) {
      // A lease of the idle time may end before the next renewal.
      if (!wasUsed && this.leasedUntil < this.usedAt + 2 * RENEW_MS) this.refresh().catch(() => {});
      return leased;
    }
    // While renewals are frequent, a missing lease means that PostgreSQL is slow. So the read goes there at once.
    if (!wasUsed)
      this.renewing ??= settlesWithin(this.refresh(), READ_RENEW_MS)
        .catch(() => {})
        .finally(() => {
          this.renewing = undefined;
        });
    return this.renewing?.then(() => this.lease());
  }

  /** The epoch as it was read lately, for people; undefined while PostgreSQL does not respond. */
  recent(): Epoch | undefined {
    return performance.now() < this.readAt + RECENT_MS ? this.latest : undefined;
  }

  /** True while the lease on this epoch lasts. To be checked again after a document was read. */
  holds(epoch: Epoch): boolean {
    return this.lease()?.epoch === epoch.epoch;
  }

  /** True while the database accepts no writes: it is a standby, or was set read-only. */
  get isReadOnly(): boolean {
    return this.readOnly;
  }

  /** True for {@link LEASE_MS} after the epoch was first read. Its process may still be installing it in Redis. */
  isNew(epoch: Epoch): boolean {
    return epoch.epoch !== this.latest?.epoch || performance.now() < this.firstReadAt + LEASE_MS;
  }

  /** Reads the epoch; concurrent calls share a query. @throws the database's error. */
  refresh(): Promise<Epoch> {
    this.reading ??= this.read().finally(() => {
      this.reading = undefined;
    });
    return this.reading;
  }

  /** The latest epoch that was read, once no reader has a lease on an older one. @throws the database's error. */
  async afterLeaseExpiry(): Promise<Epoch> {
    for (;;) {
      const latest = this.latest ?? (await this.refresh());
      const waitMs = this.oldLeasesExpireAt - performance.now();
      if (waitMs <= 0) return latest;
      await sleep(waitMs);
    }
  }

  /** Switches the cache off for every process, unless the epoch has already moved. @throws the database's error. */
  async disable(epoch: number): Promise<void> {
    await this.move(epoch, null);
  }

  /**
   * Opens a new epoch on a Redis server.
   *
   * @returns its number; undefined when the cache has not been off for long enough, or another process was faster.
   * @throws the database's error.
   */
  async enable(off: Epoch, runId: string): Promise<number | undefined> {
    return await this.move(off.epoch, runId);
  }

  private get isUsed(): boolean {
    return performance.now() < this.usedAt + IDLE_RENEW_MS;
  }

  private scheduleRenewal(): void {
    const delayMs = this.isUsed ? RENEW_MS : this.latest?.runId === null ? OFF_RENEW_MS : IDLE_RENEW_MS;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.scheduleRenewal();
      if (this.reading) return; // PostgreSQL is slow: let the lease expire instead of queueing queries
      this.refresh().then(
        () => this.onRenewed?.(),
        (error) => this.onRenewed?.(error),
      );
    }, delayMs);
  }

  private async move(from: number, runId: string | null): Promise<number | undefined> {
    const [row] = await this.database.query(
      (sql) => sql<{ moved: string | null }[]>`
        select lockstep.move_epoch(${from}, ${runId}, ${`${OFF_MS} milliseconds`}::interval) as moved`,
    );
    // A query that is in flight may have read the old row.
    await this.reading?.catch(() => {});
    await this.refresh();
    return row?.moved ? Number(row.moved) : undefined;
  }

  private async read(): Promise<Epoch> {
    const startedAt = performance.now();
    const [row] = await this.database.query(
      (sql) => sql<{ epoch: string; previous: string; run_id: string | null; due: boolean; read_only: boolean }[]>`
        select epoch, previous, run_id, off_until <= clock_timestamp() as due,
          current_setting('transaction_read_only') = 'on' as read_only
        from lockstep.cache_epoch`,
    );
    if (!row)
      throw new Error("lockstep.cache_epoch is empty; insert its row again (replicas/migrations/0001-lockstep.sql)");
    const read: StoredEpoch = {
      epoch: Number(row.epoch),
      previous: Number(row.previous),
      runId: row.run_id,
      due: row.due,
    };
    const { latest } = this;
    if (latest?.epoch !== read.epoch) {
      // An epoch that was off has no documents, so no reader has to stop using them.
      const wasOff = latest?.runId === null && read.previous === latest.epoch;
      if (!wasOff) this.oldLeasesExpireAt = performance.now() + LEASE_MS;
      this.firstReadAt = performance.now();
      this.onEpoch(read);
    }
    this.latest = read;
    this.leasedUntil = startedAt + LEASE_MS;
    this.readAt = startedAt;
    this.observeReadOnly(row.read_only);
    return read;
  }

  /** A session keeps the default of its start, so only a new one shows that the database accepts writes again. */
  private observeReadOnly(readOnly: boolean): void {
    this.readOnly = readOnly;
    const now = performance.now();
    if (!readOnly || now - this.reconnectedAt < RECONNECT_MS) return;
    this.reconnectedAt = now;
    this.database.reconnect();
  }
}
