/** Measures latency and apply rate of the replicas from their receipts, while a page is open. */
import type { Namespaced } from "../../../contracts/project.ts";
import { decodeReceipt, type Receipt } from "../../../contracts/receipt.ts";
import { receiptsTopic } from "../../../contracts/topics.ts";
import type { Log, StoredRecord } from "../../../kafka/log.ts";
import type { Logger } from "../../../observability/logger.ts";
import { retry } from "../../../platform/async/retry.ts";
import { LatencyHistogram, type Quantiles } from "./latency-histogram.ts";

/** Delay before the receipts are watched again after an error. */
const RETRY_MS = 2_000;
/** Seconds that the latencies of a snapshot cover. */
export const WINDOW_S = 30;
/** `appliedPerSecond` is the average over this many seconds. */
const RATE_WINDOW_S = 5;

/** Where a change becomes readable. */
export type Store = "postgres" | "redis";

/** Latency of one replica by store: from the commit in the source to readable, in the last {@link WINDOW_S} seconds. */
export interface ReplicaLatency extends Readonly<Record<Store, Quantiles>> {
  /** The newest measurement of PostgreSQL, however old: `ms` is the latency, `atMs` milliseconds since 1970. */
  readonly last: { readonly ms: number; readonly atMs: number } | null;
  readonly appliedPerSecond: number;
}

class ReplicaMeasurements {
  readonly postgres = new LatencyHistogram();
  readonly redis = new LatencyHistogram();
  last: ReplicaLatency["last"] = null;
}

/** Watches `lockstep.receipts` and measures each receipt. */
export class ReceiptMetrics {
  /** From the commit to readable in PostgreSQL, over all replicas. */
  readonly allReplicas = new LatencyHistogram();
  private readonly replicas = new Map<string, ReplicaMeasurements>();
  private watching: { readonly ending: AbortController; readonly ended: Promise<void> } | undefined;

  /** @param onReceipt called with each receipt after it was measured. */
  constructor(
    private readonly log: () => Promise<Log>,
    private readonly project: Namespaced,
    private readonly logger: Logger,
    private readonly onReceipt: (receipt: Receipt) => void,
  ) {}

  /** Starts to watch the topic from its end. Does nothing when it is watched already. */
  start(): void {
    if (this.watching) return;
    const ending = new AbortController();
    const { signal } = ending;
    const ended = retry(
      {
        ...{ what: "watching the receipts", timeoutMs: Number.POSITIVE_INFINITY, shouldRetry: () => true, signal },
        ...{ firstDelayMs: RETRY_MS, maxDelayMs: RETRY_MS },
        onRetry: (error) => this.logger.debug({ err: error }, "receipts cannot be watched; retrying in 2 s"),
      },
      () => this.watch(signal),
    ).catch(() => {}); // Rejects only when the signal aborts.
    this.watching = { ending, ended };
  }

  /** Stops watching, and resolves when the watcher is closed. Figures stay. */
  async stop(): Promise<void> {
    const { watching } = this;
    this.watching = undefined;
    watching?.ending.abort();
    await watching?.ended;
  }

  /** Latency and rate of one replica. @param nowMs milliseconds since 1970. */
  latencyOf(replica: string, nowMs: number): ReplicaLatency {
    const { postgres, redis, last } = this.measurementsOf(replica);
    return {
      postgres: postgres.window(WINDOW_S, nowMs),
      redis: redis.window(WINDOW_S, nowMs),
      last,
      appliedPerSecond: postgres.window(RATE_WINDOW_S, nowMs).count / RATE_WINDOW_S,
    };
  }

  /** Resolves after the signal has aborted. @throws {Error} when the topic cannot be watched any longer. */
  private async watch(signal: AbortSignal): Promise<void> {
    const log = await this.log();
    const onRecords = (records: readonly StoredRecord[]) => {
      for (const { value } of records) this.measure(decodeReceipt(value));
    };
    const watcher = await log.watch({ topic: receiptsTopic(this.project).name, from: "end", onRecords });
    const close = () => void watcher.close();
    if (signal.aborted) close();
    else signal.addEventListener("abort", close, { once: true });
    try {
      await watcher.ended;
    } finally {
      signal.removeEventListener("abort", close);
    }
  }

  private measure(receipt: Receipt | undefined): void {
    if (!receipt) return;
    const { replica, appliedMs, cachedMs, changes } = receipt;
    const measurements = this.measurementsOf(replica);
    const nowMs = Date.now();
    for (const [, , committedMs] of changes) {
      const ms = Math.max(0, appliedMs - committedMs);
      this.allReplicas.observe(ms, nowMs);
      measurements.postgres.observe(ms, nowMs);
      if (cachedMs !== null) measurements.redis.observe(Math.max(0, cachedMs - committedMs), nowMs);
      measurements.last = { ms, atMs: appliedMs };
    }
    this.onReceipt(receipt);
  }

  private measurementsOf(replica: string): ReplicaMeasurements {
    let found = this.replicas.get(replica);
    if (!found) {
      found = new ReplicaMeasurements();
      this.replicas.set(replica, found);
    }
    return found;
  }
}
