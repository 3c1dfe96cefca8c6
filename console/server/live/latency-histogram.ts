/**
 * Latencies of the last two minutes, second by second, in a few kilobytes however many there are: each second counts them in bins
 * that are four percent wide. Pure: the clock is the caller's.
 */

const WIDTH = Math.log(1.04);
/** The last bin begins at some eleven minutes; what is longer counts as that. */
const BINS = 345;

const binOf = (ms: number): number => Math.min(BINS - 1, Math.floor(Math.log1p(Math.max(0, ms)) / WIDTH));
/** The middle of a bin. */
const middleOf = (bin: number): number => (bin === 0 ? 0 : Math.expm1((bin + 0.5) * WIDTH));

/** Seconds that are remembered. */
export const SECONDS = 120;

export interface Quantiles {
  /** How many were measured. */
  readonly count: number;
  /** In milliseconds, two percent exact; null when nothing was measured. */
  readonly p50: number | null;
  readonly p99: number | null;
}

interface Second {
  /** Which second it is; its bins count for no other. */
  at: number;
  count: number;
  readonly bins: Uint32Array;
}

export class Latencies {
  private readonly seconds: Second[] = Array.from({ length: SECONDS }, () => ({
    at: Number.NEGATIVE_INFINITY,
    count: 0,
    bins: new Uint32Array(BINS),
  }));

  /** @param nowMs milliseconds since 1970. */
  observe(ms: number, nowMs: number): void {
    const at = Math.floor(nowMs / 1_000);
    const second = this.seconds[at % SECONDS]!;
    if (second.at !== at) {
      second.at = at;
      second.count = 0;
      second.bins.fill(0);
    }
    second.count++;
    second.bins[binOf(ms)]!++;
  }

  /** Of the last `seconds` up to now. */
  window(seconds: number, nowMs: number): Quantiles {
    const now = Math.floor(nowMs / 1_000);
    return quantilesOf(this.seconds.filter(({ at }) => at > now - seconds && at <= now));
  }

  /** Each of the last `seconds`, the oldest first; the present one is left out, as it is not over. */
  series(seconds: number, nowMs: number): Quantiles[] {
    const now = Math.floor(nowMs / 1_000);
    return Array.from({ length: seconds }, (_, i) => {
      const second = this.seconds[(now - seconds + i + SECONDS) % SECONDS]!;
      return quantilesOf(second.at === now - seconds + i ? [second] : []);
    });
  }
}

function quantilesOf(seconds: readonly Second[]): Quantiles {
  const count = seconds.reduce((sum, second) => sum + second.count, 0);
  if (count === 0) return { count, p50: null, p99: null };
  const bins = new Uint32Array(BINS);
  for (const second of seconds) for (let i = 0; i < BINS; i++) bins[i]! += second.bins[i]!;
  return { count, p50: quantile(bins, count, 0.5), p99: quantile(bins, count, 0.99) };
}

function quantile(bins: Uint32Array, count: number, share: number): number {
  let below = 0;
  for (let i = 0; i < BINS; i++) {
    below += bins[i]!;
    if (below >= count * share) return Math.round(middleOf(i) * 10) / 10;
  }
  return middleOf(BINS - 1);
}
