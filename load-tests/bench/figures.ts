/** Percentiles of measured values, medians of rounds, and counters and quantiles of histograms from /metrics. */

/** Percentiles of a set of values, in their unit. All are 0 for an empty set. */
export interface Figures {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * The percentile by nearest rank: always one of the values.
 *
 * @param sorted ascending values.
 * @param share above 0, at most 1.
 */
export function percentile(sorted: readonly number[], share: number): number {
  const rank = Math.ceil(share * sorted.length);
  return sorted[Math.max(1, rank) - 1] ?? 0;
}

/** Sorts the values and returns their percentiles. */
export function figuresOf(values: Iterable<number>): Figures {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (share: number) => percentile(sorted, share);
  const mean = sorted.reduce((sum, value) => sum + value, 0) / Math.max(1, sorted.length);
  return { count: sorted.length, mean, p50: rank(0.5), p90: rank(0.9), p99: rank(0.99), max: rank(1) };
}

/** The middle and the ends of a few values, such as those of several rounds. Undefined for none. */
export function medianOf(
  values: readonly number[],
): { readonly median: number; readonly min: number; readonly max: number } | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const [min] = sorted;
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) return undefined;
  const middle = (sorted.length - 1) / 2;
  return { median: (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2, min, max };
}

/** Reads a counter from the text of /metrics, by the value of one label. Adds up series with equal values. */
export function readCounters(text: string, name: string, label: string): Map<string, number> {
  const counters = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (!line.startsWith(`${name}{`)) continue;
    const [, labelText = "", count] = /\{(.*)\} ([^ ]+)$/.exec(line) ?? [];
    const value = new Map([...labelText.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, v]) => [key, v])).get(label) ?? "";
    counters.set(value, (counters.get(value) ?? 0) + Number(count));
  }
  return counters;
}

/** Cumulative counts of a Prometheus histogram by upper bound. The last bound is infinite. */
export type Buckets = ReadonlyMap<number, number>;

/** Reads a histogram from the text of /metrics. Adds up all series with these labels. */
export function readBuckets(text: string, name: string, labels: Readonly<Record<string, string>>): Buckets {
  const buckets = new Map<number, number>();
  for (const line of text.split("\n")) {
    if (!line.startsWith(`${name}_bucket{`)) continue;
    const [, labelText = "", count] = /\{(.*)\} ([^ ]+)$/.exec(line) ?? [];
    const seriesLabels = new Map([...labelText.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, v]) => [key, v]));
    if (!Object.entries(labels).every(([key, value]) => seriesLabels.get(key) === value)) continue;
    const le = seriesLabels.get("le") === "+Inf" ? Number.POSITIVE_INFINITY : Number(seriesLabels.get("le"));
    buckets.set(le, (buckets.get(le) ?? 0) + Number(count));
  }
  return new Map([...buckets].sort(([a], [b]) => a - b));
}

/** The counts between two readings of the same histogram. */
export const difference = (before: Buckets, now: Buckets): Buckets =>
  new Map([...now].map(([le, count]) => [le, count - (before.get(le) ?? 0)]));

/**
 * A quantile of a histogram, as PromQL's `histogram_quantile` computes it: linear within a bucket, and the last finite
 * bound for larger values. 0 for an empty histogram.
 */
export function histogramQuantile(buckets: Buckets, share: number): number {
  const total = [...buckets.values()].at(-1) ?? 0;
  const rank = share * total;
  let lower = 0;
  let below = 0;
  for (const [le, count] of buckets) {
    if (count >= rank && count > below)
      return le === Infinity ? lower : lower + (le - lower) * ((rank - below) / (count - below));
    lower = le;
    below = count;
  }
  return 0;
}
