/** The conditions `partition-stalled` and `lag-growing`, from the positions of several moments. Pure. */
import { type ConsumerPosition, partitionKey } from "../kafka/log.ts";

/** A partition with unread records is stalled when its position has not changed for this time. */
const STALLED_MS = 10_000;
/** The lag is compared with the lag before this time. */
const WINDOW_MS = 10_000;
/** A lag below this one is usual, while many rows are loaded for example. */
const MIN_LAG_RECORDS = 5_000;
/** The lag grows when it rises by this much within {@link WINDOW_MS}. */
const MIN_GROWTH_RECORDS = 1_000;

/** Observes the partitions of one consumer. All times are milliseconds of one clock. */
export class Progress {
  private readonly waiting = new Map<string, { processed: number; sinceMs: number; unread: number }>();
  private lags: { readonly atMs: number; readonly records: number }[] = [];
  private nowMs = 0;

  /** Adds the positions of one moment. A paused consumer makes no progress on purpose. */
  observe(positions: readonly ConsumerPosition[], isPaused: boolean, nowMs: number): void {
    this.nowMs = nowMs;
    const unread = isPaused ? [] : positions.filter(({ processed, end }) => end > processed);
    const keys = new Set(unread.map(partitionKey));
    for (const key of this.waiting.keys()) if (!keys.has(key)) this.waiting.delete(key);
    for (const position of unread) {
      const { processed, end } = position;
      const key = partitionKey(position);
      const known = this.waiting.get(key);
      const sinceMs = known?.processed === processed ? known.sinceMs : nowMs;
      this.waiting.set(key, { processed, sinceMs, unread: end - processed });
    }
    if (isPaused) this.lags = [];
    // The oldest sample is the first one that is as old as the window.
    while (this.lags[1] && nowMs - this.lags[1].atMs >= WINDOW_MS) this.lags.shift();
    this.lags.push({ atMs: nowMs, records: unread.reduce((sum, { processed, end }) => sum + end - processed, 0) });
  }

  /** The partitions that make no progress, for people; undefined when there is none. */
  stalled(): string | undefined {
    const stalled = [...this.waiting].filter(([, { sinceMs }]) => this.nowMs - sinceMs >= STALLED_MS);
    if (stalled.length === 0) return undefined;
    const seconds = Math.floor(Math.max(...stalled.map(([, { sinceMs }]) => this.nowMs - sinceMs)) / 1_000);
    const texts = stalled.map(([key, { processed, unread }]) => `${key} (${unread} unread from offset ${processed})`);
    return `no progress for ${seconds} s in ${texts.sort().join(", ")}`;
  }

  /** How the lag grows, for people; undefined while it does not. */
  growing(): string | undefined {
    const [first, last] = [this.lags[0], this.lags.at(-1)];
    if (!first || !last || last.atMs - first.atMs < WINDOW_MS) return undefined;
    if (last.records < MIN_LAG_RECORDS || last.records - first.records < MIN_GROWTH_RECORDS) return undefined;
    const seconds = Math.round((last.atMs - first.atMs) / 1_000);
    return `the lag grew from ${first.records} to ${last.records} records in ${seconds} s`;
  }
}
