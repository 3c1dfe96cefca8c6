/** What replicas tell of their work, while somebody looks: latencies, and how much they apply. */
import { decodeReceipt, type Receipt } from "../../../contracts/receipt.ts";
import { receiptsTopic } from "../../../contracts/topics.ts";
import type { Log, StoredRecord, Watcher } from "../../../kafka/log.ts";
import type { Logger } from "../../../observability/logger.ts";
import { Latencies, type Quantiles } from "./latency-histogram.ts";

/** A watch that ended begins anew after so long, in milliseconds. */
const AGAIN_MS = 2_000;

/** Where a change is readable. */
export type Store = "postgres" | "redis";

/** From the commit in the source to readable, in the last {@link WINDOW_S} seconds. */
export interface ReplicaTraffic extends Readonly<Record<Store, Quantiles>> {
  /** The newest measurement, also when it is long ago: milliseconds, and when it was, milliseconds since 1970. */
  readonly last: { readonly ms: number; readonly atMs: number } | null;
  readonly appliedPerSecond: number;
}

export const WINDOW_S = 30;
/** Applied per second is an average over so many seconds. */
const RATE_S = 5;

class Measured {
  readonly postgres = new Latencies();
  readonly redis = new Latencies();
  last: ReplicaTraffic["last"] = null;
}

export class Traffic {
  /** From the commit to readable in PostgreSQL, of all replicas. */
  readonly all = new Latencies();
  private readonly replicas = new Map<string, Measured>();
  private watcher: Promise<Watcher | undefined> | undefined;
  private again: Timer | undefined;

  /** @param onReceipt is told each receipt, after it was measured. */
  constructor(
    private readonly log: () => Promise<Log>,
    private readonly logger: Logger,
    private readonly onReceipt: (receipt: Receipt) => void,
  ) {}

  start(): void {
    this.watcher ??= this.watch();
  }

  async stop(): Promise<void> {
    clearTimeout(this.again);
    const ending = this.watcher;
    this.watcher = undefined;
    await (await ending)?.close();
  }

  /** @param nowMs milliseconds since 1970. */
  of(replica: string, nowMs: number): ReplicaTraffic {
    const { postgres, redis, last } = this.measured(replica);
    return {
      postgres: postgres.window(WINDOW_S, nowMs),
      redis: redis.window(WINDOW_S, nowMs),
      last,
      appliedPerSecond: postgres.window(RATE_S, nowMs).count / RATE_S,
    };
  }

  private async watch(): Promise<Watcher | undefined> {
    try {
      const log = await this.log();
      const onRecords = (records: readonly StoredRecord[]) => {
        for (const { value } of records) this.heard(decodeReceipt(value));
      };
      const watcher = await log.watch({ topic: receiptsTopic.name, from: "end", onRecords });
      watcher.ended.catch((error) => this.lost(error));
      return watcher;
    } catch (error) {
      this.lost(error);
      return undefined;
    }
  }

  private lost(error: unknown): void {
    this.logger.debug({ err: error }, "receipts are not heard for a moment");
    if (!this.watcher) return;
    this.again = setTimeout(() => {
      if (this.watcher) this.watcher = this.watch();
    }, AGAIN_MS);
  }

  private heard(receipt: Receipt | undefined): void {
    if (!receipt) return;
    const { replica, appliedMs, cachedMs, changes } = receipt;
    const measured = this.measured(replica);
    const nowMs = Date.now();
    for (const [, , committedMs] of changes) {
      const ms = Math.max(0, appliedMs - committedMs);
      this.all.observe(ms, nowMs);
      measured.postgres.observe(ms, nowMs);
      if (cachedMs !== null) measured.redis.observe(Math.max(0, cachedMs - committedMs), nowMs);
      measured.last = { ms, atMs: appliedMs };
    }
    this.onReceipt(receipt);
  }

  private measured(replica: string): Measured {
    let found = this.replicas.get(replica);
    if (!found) {
      found = new Measured();
      this.replicas.set(replica, found);
    }
    return found;
  }
}
