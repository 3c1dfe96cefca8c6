/** The conditions `partition-stalled` and `lag-growing`, from the positions of several moments. Pure. */
import { STALLED_MS } from "../contracts/conditions.ts";
import { type ConsumerPosition, partitionKey } from "../kafka/log.ts";
import { LagTrend } from "../pipeline/lag-trend.ts";

/** In records. */
const LAG_LIMITS = { minLag: 5_000, minGrowth: 1_000 };

/** Observes the partitions of one consumer. All times are milliseconds of one clock. */
export class Progress {
  private readonly waiting = new Map<string, { processed: number; sinceMs: number; unread: number }>();
  private readonly trend = new LagTrend(LAG_LIMITS);
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
    const lag = unread.reduce((sum, { processed, end }) => sum + end - processed, 0);
    this.trend.sample(nowMs, isPaused ? undefined : lag);
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
    const growth = this.trend.growth();
    if (!growth) return undefined;
    return `the lag grew from ${growth.from} to ${growth.to} records in ${Math.round(growth.ms / 1_000)} s`;
  }
}
