/** Finds consumers that make no progress, from their positions at several times. Pure. */
import { STALLED_MS } from "../../contracts/conditions.ts";
import type { ConsumerLag } from "../status/consumer-lag.ts";
import { type ActiveCondition, activeCondition } from "./active-condition.ts";

/** A sample that is older says nothing about what happened since the one before. */
const MAX_SAMPLE_GAP_MS = 30_000;

interface Position {
  readonly position: number;
  /** When the position was first seen with unread records. */
  readonly sinceMs: number;
}

/** Observes all consumers of a system. */
export class ProgressWatch {
  private readonly positions = new Map<string, Position>();
  private lastMs = Number.NEGATIVE_INFINITY;

  /**
   * Adds what was read now. A paused consumer makes no progress on purpose, and starts anew when it resumes.
   *
   * @param nowMs milliseconds since 1970.
   * @returns the conditions `partition-stalled`.
   */
  observe(lags: readonly ConsumerLag[], nowMs: number): readonly ActiveCondition[] {
    if (nowMs - this.lastMs > MAX_SAMPLE_GAP_MS) this.positions.clear();
    this.lastMs = nowMs;
    return lags.flatMap((lag) => this.stalledPartitions(lag, nowMs));
  }

  /** True when some partition has unread records at a position that it had before. */
  get isWaiting(): boolean {
    return [...this.positions.values()].some(({ sinceMs }) => sinceMs < this.lastMs);
  }

  private stalledPartitions({ name, topic, paused, partitions }: ConsumerLag, nowMs: number): ActiveCondition[] {
    const stalled = partitions.filter(({ partition, position, lag }) => {
      const key = `${topic}/${partition}`;
      const known = this.positions.get(key);
      if (lag === 0 || paused) this.positions.delete(key);
      else if (known?.position !== position) this.positions.set(key, { position, sinceMs: nowMs });
      return nowMs - (this.positions.get(key)?.sinceMs ?? nowMs) >= STALLED_MS;
    });
    if (stalled.length === 0) return [];
    const sinceMs = Math.min(...stalled.map(({ partition }) => this.positions.get(`${topic}/${partition}`)!.sinceMs));
    const list = stalled.map(({ partition, position, lag }) => `${partition} (${lag} unread from offset ${position})`);
    const problem = `no progress in ${topic}, partition ${list.join(", ")}`;
    return [activeCondition("partition-stalled", name, problem, new Date(sinceMs).toISOString())];
  }
}
