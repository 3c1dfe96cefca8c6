/** How far this instance is behind the log, for `Lockstep-Lag`. */
import { type Batch, partitionKey, type TopicPartition } from "../kafka/log.ts";

/** After this long with no news of a partition that seemed to have more, it has none: what was left of it were markers. */
const NEWS_MS = 2_000;
/** A fetch may wait this long at the broker for something to come. */
const FETCH_MS = 1_000;

interface Pending {
  /** When the oldest event that is not applied was written, at most; milliseconds since 1970. */
  readonly sinceMs: number;
  /** When this was learned, and until when it holds without being said again. */
  readonly untilMs: number;
}

export class Lag {
  private readonly pending = new Map<string, Pending>();

  /** @param fetchAgeMs milliseconds since a broker last answered; undefined before the log was reached. */
  constructor(private readonly fetchAgeMs: () => number | undefined) {}

  /** A batch is about to be applied. */
  received(batch: Batch): void {
    const first = batch.records[0];
    if (first) this.pending.set(partitionKey(batch), { sinceMs: first.timestampMs, untilMs: Number.POSITIVE_INFINITY });
  }

  /** A batch is applied. */
  applied(batch: Batch, nowMs: number): void {
    const last = batch.records.at(-1);
    if (!last || last.offset + 1 >= batch.highWatermark) this.pending.delete(partitionKey(batch));
    else this.pending.set(partitionKey(batch), { sinceMs: last.timestampMs, untilMs: nowMs + NEWS_MS });
  }

  /** Somebody else's lag from now on. */
  revoked(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.pending.delete(partitionKey(at));
  }

  /**
   * Milliseconds: 0 when all that the log had at the last fetch is applied; else an upper bound of the age of the oldest event
   * that is not; while no broker answers, at least the time since the last answer. Undefined before the first answer.
   */
  ms(nowMs: number): number | undefined {
    const silent = this.fetchAgeMs();
    if (silent === undefined) return undefined;
    let lag = silent > FETCH_MS ? silent : 0;
    for (const { sinceMs, untilMs } of this.pending.values()) if (nowMs < untilMs) lag = Math.max(lag, nowMs - sinceMs);
    return Math.round(lag);
  }
}
