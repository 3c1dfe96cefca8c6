/**
 * Whether the partitions of this process get applied: the conditions `partition-stalled` and `lag-growing`. All times
 * are milliseconds of one clock.
 */
import { partitionKey, type TopicPartition } from "../kafka/log.ts";

/** A partition is stalled when it has waited for this time and nothing of it was applied. */
const STALLED_MS = 10_000;
/** The lag is compared with the lag before this time. */
const WINDOW_MS = 10_000;
/** A lag below this one is usual, during a rebalance for example. */
const MIN_LAG_MS = 10_000;
/** The lag grows when it rises by this much within {@link WINDOW_MS}. */
const MIN_GROWTH_MS = 1_000;

/** Partitions that wait: for records that the database lacks, or for a batch to be applied. */
export class Progress {
  /** By partition: when the wait began, or when records of the partition were last applied. */
  private readonly waitingSince = new Map<string, number>();
  /** Partitions that have a batch. */
  private readonly delivering = new Set<string>();

  /** This process owns a partition, and reads what the database lacks of it. */
  assigned(at: TopicPartition, nowMs: number): void {
    this.waitingSince.set(partitionKey(at), nowMs);
  }

  /** The database has everything before the partition's next batch. */
  caughtUp(at: TopicPartition, nowMs: number): void {
    const key = partitionKey(at);
    if (this.delivering.has(key)) this.waitingSince.set(key, nowMs);
    else this.waitingSince.delete(key);
  }

  /** A batch is delivered, for the first time or again. */
  delivered(at: TopicPartition, nowMs: number): void {
    const key = partitionKey(at);
    this.delivering.add(key);
    if (!this.waitingSince.has(key)) this.waitingSince.set(key, nowMs);
  }

  /** Some records of the partition are applied: of the batch, or of those that the database lacked before it. */
  advanced(at: TopicPartition, nowMs: number): void {
    const key = partitionKey(at);
    if (this.waitingSince.has(key)) this.waitingSince.set(key, nowMs);
  }

  /** The batch is applied. */
  completed(at: TopicPartition): void {
    const key = partitionKey(at);
    this.delivering.delete(key);
    this.waitingSince.delete(key);
  }

  /** Other processes own these partitions now. */
  revoked(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.completed(at);
  }

  /** The partitions without progress, and how long the longest has waited; undefined when there is none. */
  stalled(nowMs: number): { readonly partitions: readonly string[]; readonly longestMs: number } | undefined {
    const stalled = [...this.waitingSince].filter(([, sinceMs]) => nowMs - sinceMs >= STALLED_MS);
    if (stalled.length === 0) return undefined;
    const longestMs = Math.max(...stalled.map(([, sinceMs]) => nowMs - sinceMs));
    return { partitions: stalled.map(([key]) => key).sort(), longestMs };
  }
}

/** The lag of the last seconds. */
export class LagTrend {
  private samples: { readonly atMs: number; readonly lagMs: number }[] = [];

  /** Adds the present lag; undefined starts again, because the lag is unknown or the consumer is paused. */
  sample(nowMs: number, lagMs: number | undefined): void {
    if (lagMs === undefined) this.samples = [];
    else {
      // The oldest sample is the first one that is as old as the window.
      while (this.samples[1] && nowMs - this.samples[1].atMs >= WINDOW_MS) this.samples.shift();
      this.samples.push({ atMs: nowMs, lagMs });
    }
  }

  /** The lag now and at the start of the window while it grows; undefined while it does not. */
  growth(): { readonly fromMs: number; readonly toMs: number } | undefined {
    const [first] = this.samples;
    const last = this.samples.at(-1);
    if (!first || !last || last.atMs - first.atMs < WINDOW_MS) return undefined;
    const grows = last.lagMs >= MIN_LAG_MS && last.lagMs - first.lagMs >= MIN_GROWTH_MS;
    return grows ? { fromMs: first.lagMs, toMs: last.lagMs } : undefined;
  }
}
