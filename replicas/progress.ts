/** Whether the partitions of this process get applied: the condition `partition-stalled`. All times are of one clock. */
import { STALLED_MS } from "../contracts/conditions.ts";
import { partitionKey, type TopicPartition } from "../kafka/log.ts";

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
