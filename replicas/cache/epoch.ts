/**
 * Which cached documents may be trusted: the epoch, one row in the replica's PostgreSQL, and this process' lease on it.
 *
 * The epoch is on (it names the Redis server that holds its documents) or off. It never goes back, and one that was off is never
 * given to a cache, so no document carries it.
 * - on → off: {@link distrust}, by whoever could not fence an apply or found that Redis has lost the epoch.
 * - off → on, as a new epoch: {@link trust}, when nobody had to apply without a fence for {@link OFF_MS}.
 *
 * A reader may use documents of an epoch while its lease on it lasts: {@link LEASE_MS} from the start of the query that read it.
 * An applier that sees a new epoch waits as long before it applies anything: then no reader uses an older one any more.
 */
import type { Database } from "../../platform/postgres/database.ts";

export const LEASE_MS = 500;
export const RENEW_MS = 150;
export const OFF_MS = 3_000;

export interface Epoch {
  readonly epoch: number;
  /** Run id of the Redis server that has this epoch's documents; null while the cache is off. */
  readonly runId: string | null;
  /** Off for long enough: it may be switched on. */
  readonly due: boolean;
}

interface Seen extends Epoch {
  readonly previous: number;
}

export class CacheEpoch {
  private seen: Seen | undefined;
  /** All by the monotonic clock, in milliseconds. */
  private leasedUntil = 0;
  private drainedAt = 0;
  private seenAt = 0;
  private reading: Promise<Epoch> | undefined;
  private timer: Timer | undefined;

  /** @param database connections of its own: a lease must not wait behind the replica's work. */
  constructor(
    private readonly database: Database,
    private readonly onEpoch: (epoch: Epoch) => void = () => {},
  ) {}

  /** Keeps the lease renewed until {@link stop}. Each renewal is told, with how it went. */
  start(renewed: (error?: unknown) => void): void {
    this.timer = setInterval(() => {
      if (this.reading) return; // PostgreSQL is slow: the lease runs out rather than queries pile up
      this.refresh().then(() => renewed(), renewed);
    }, RENEW_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** The epoch, if this process may trust it now. */
  lease(): Epoch | undefined {
    return performance.now() < this.leasedUntil ? this.seen : undefined;
  }

  /** True while the lease on this epoch lasts: checked once more when a document was read. */
  holds(epoch: Epoch): boolean {
    return this.lease()?.epoch === epoch.epoch;
  }

  /** True for a moment after this epoch was first seen: who opened it may still be bringing it to Redis. */
  isNew(epoch: Epoch): boolean {
    return epoch.epoch !== this.seen?.epoch || performance.now() < this.seenAt + LEASE_MS;
  }

  /** Reads the row. @throws when PostgreSQL does not answer. */
  refresh(): Promise<Epoch> {
    this.reading ??= this.read().finally(() => {
      this.reading = undefined;
    });
    return this.reading;
  }

  /** The newest epoch that was seen, once no reader holds a lease on an older one. @throws when PostgreSQL does not answer. */
  async afterLeaseExpiry(): Promise<Epoch> {
    for (;;) {
      const seen = this.seen ?? (await this.refresh());
      const wait = this.drainedAt - performance.now();
      if (wait <= 0) return seen;
      await Bun.sleep(wait);
    }
  }

  /** Switches the cache off for everybody, unless the epoch has moved already. @throws when PostgreSQL does not answer. */
  async disable(epoch: number): Promise<void> {
    await this.move(epoch, null);
  }

  /** Opens a new epoch on a server. @returns it, or undefined when it is too early or somebody else was faster. @throws as above. */
  async enable(off: Epoch, runId: string): Promise<number | undefined> {
    return await this.move(off.epoch, runId);
  }

  private async move(from: number, runId: string | null): Promise<number | undefined> {
    const [row] = await this.database.query(
      (sql) => sql<{ moved: string | null }[]>`
        select lockstep.move_epoch(${from}, ${runId}, ${`${OFF_MS} milliseconds`}::interval) as moved`,
    );
    // A read that was under way may have seen the old row.
    await this.reading?.catch(() => {});
    await this.refresh();
    return row?.moved ? Number(row.moved) : undefined;
  }

  private async read(): Promise<Epoch> {
    const start = performance.now();
    const [row] = await this.database.query(
      (sql) => sql<{ epoch: string; previous: string; run_id: string | null; due: boolean }[]>`
        select epoch, previous, run_id, off_until <= clock_timestamp() as due from lockstep.cache_epoch`,
    );
    if (!row)
      throw new Error("lockstep.cache_epoch is empty: put its row back (replicas/migrations/0001-lockstep.sql)");
    const { due } = row;
    const found: Seen = { epoch: Number(row.epoch), previous: Number(row.previous), runId: row.run_id, due };
    const { seen } = this;
    if (seen?.epoch !== found.epoch) {
      // An epoch that was off has no documents: nobody needs to let go of it.
      const wasOff = seen?.runId === null && found.previous === seen.epoch;
      if (!wasOff) this.drainedAt = performance.now() + LEASE_MS;
      this.seenAt = performance.now();
      this.onEpoch(found);
    }
    this.seen = found;
    this.leasedUntil = start + LEASE_MS;
    return found;
  }
}
