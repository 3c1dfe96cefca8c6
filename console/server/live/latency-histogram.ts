/**
 * Counts latencies of the last two minutes in one histogram per second. Bins are 4 % wide, so quantiles are exact to
 * 2 %. The memory is constant, 162 kB. The caller supplies the time.
 */

const LOG_BIN_WIDTH = Math.log(1.04);
/** The last bin starts at about 12 minutes and also counts everything longer. */
const BINS = 345;

/** Seconds that are kept. */
export const HISTORY_S = 120;

const binOf = (ms: number): number => Math.min(BINS - 1, Math.floor(Math.log1p(Math.max(0, ms)) / LOG_BIN_WIDTH));
const middleOf = (bin: number): number => (bin === 0 ? 0 : Math.expm1((bin + 0.5) * LOG_BIN_WIDTH));

/** Median and 99th percentile of `count` latencies, in milliseconds and exact to 2 %; null without measurements. */
export interface Quantiles {
  readonly count: number;
  readonly p50: number | null;
  readonly p99: number | null;
}

interface SecondBins {
  /** The second since 1970 that the bins belong to. */
  second: number;
  count: number;
  readonly bins: Uint32Array;
}

/** Histogram of latencies with a resolution of one second. */
export class LatencyHistogram {
  private readonly slots: SecondBins[] = Array.from({ length: HISTORY_S }, () => ({
    second: Number.NEGATIVE_INFINITY,
    count: 0,
    bins: new Uint32Array(BINS),
  }));

  /** Counts one latency. @param ms the latency; below 0 counts as 0. @param nowMs milliseconds since 1970. */
  observe(ms: number, nowMs: number): void {
    const second = Math.floor(nowMs / 1_000);
    const slot = this.slots[second % HISTORY_S]!;
    if (slot.second !== second) {
      slot.second = second;
      slot.count = 0;
      slot.bins.fill(0);
    }
    slot.count++;
    slot.bins[binOf(ms)]!++;
  }

  /** Quantiles of the last `seconds`, the current one included. @param nowMs milliseconds since 1970. */
  window(seconds: number, nowMs: number): Quantiles {
    const now = Math.floor(nowMs / 1_000);
    return quantilesOf(this.slots.filter(({ second }) => second > now - seconds && second <= now));
  }

  /** Quantiles of each of the last `seconds`, oldest first. The current second is not complete and left out. */
  series(seconds: number, nowMs: number): Quantiles[] {
    const first = Math.floor(nowMs / 1_000) - seconds;
    return Array.from({ length: seconds }, (_, i) => {
      const slot = this.slots[(first + i + HISTORY_S) % HISTORY_S]!;
      return quantilesOf(slot.second === first + i ? [slot] : []);
    });
  }
}

function quantilesOf(slots: readonly SecondBins[]): Quantiles {
  const count = slots.reduce((sum, slot) => sum + slot.count, 0);
  if (count === 0) return { count, p50: null, p99: null };
  const bins = new Uint32Array(BINS);
  for (const slot of slots) for (let i = 0; i < BINS; i++) bins[i]! += slot.bins[i]!;
  return { count, p50: quantile(bins, count, 0.5), p99: quantile(bins, count, 0.99) };
}

function quantile(bins: Uint32Array, count: number, share: number): number {
  let cumulative = 0;
  for (let i = 0; i < BINS; i++) {
    cumulative += bins[i]!;
    if (cumulative >= count * share) return Math.round(middleOf(i) * 10) / 10;
  }
  return middleOf(BINS - 1);
}
