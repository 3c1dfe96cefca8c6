/** How far this process is behind the log, for the header `Lockstep-Lag`. All times are milliseconds since 1970. */
import { type Batch, partitionKey, type TopicPartition } from "../kafka/log.ts";

/** Pending records that do not arrive within this time were transaction markers. */
const PENDING_MS = 2_000;
/** A fetch may wait this long at the broker for new records. */
const FETCH_MS = 1_000;

interface Pending {
  /** Upper bound of when the oldest unapplied event was written. */
  readonly sinceMs: number;
  /** When this entry expires unless it is renewed. */
  readonly untilMs: number;
}

/** Tracks the oldest unapplied event of each partition of this process. */
export class Lag {
  private readonly pending = new Map<string, Pending>();

  /** A batch is about to be applied. */
  received(batch: Batch): void {
    const first = batch.records[0];
    if (first) this.pending.set(partitionKey(batch), { sinceMs: first.timestampMs, untilMs: Number.POSITIVE_INFINITY });
  }

  /** A batch is applied. */
  applied(batch: Batch, nowMs: number): void {
    const last = batch.records.at(-1);
    if (!last || last.offset + 1 >= batch.highWatermark) this.pending.delete(partitionKey(batch));
    else this.pending.set(partitionKey(batch), { sinceMs: last.timestampMs, untilMs: nowMs + PENDING_MS });
  }

  /** Other processes own these partitions now. */
  revoked(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.pending.delete(partitionKey(at));
  }

  /**
   * The lag in milliseconds: 0 when everything that the log had at the last fetch is applied; otherwise an upper bound
   * of the age of the oldest unapplied event. While no broker responds, it is at least the time since the last
   * response.
   *
   * @param fetchAgeMs milliseconds since a broker last responded; undefined before the first response.
   * @returns undefined before the first response.
   */
  ms(nowMs: number, fetchAgeMs: number | undefined): number | undefined {
    if (fetchAgeMs === undefined) return undefined;
    let lag = fetchAgeMs > FETCH_MS ? fetchAgeMs : 0;
    for (const { sinceMs, untilMs } of this.pending.values()) if (nowMs < untilMs) lag = Math.max(lag, nowMs - sinceMs);
    return Math.round(lag);
  }
}
