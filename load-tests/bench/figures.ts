/** From many measured values to the few that are printed. */

/** Of one set of measured values, in their own unit. Empty sets have zeros. */
export interface Figures {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * The value that `share` of all are not above: nearest rank, always one that was measured.
 *
 * @param sorted in rising order. @param share above 0, at most 1.
 */
export function percentile(sorted: readonly number[], share: number): number {
  const rank = Math.ceil(share * sorted.length);
  return sorted[Math.max(1, rank) - 1] ?? 0;
}

export function figuresOf(values: Iterable<number>): Figures {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => percentile(sorted, share);
  return { count: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

/** Cumulative counts of a Prometheus histogram by the upper bound of each bucket, the last one infinite. */
export type Buckets = ReadonlyMap<number, number>;

/** Reads one histogram out of a /metrics text, all series with these labels added up. */
export function bucketsIn(text: string, name: string, labels: Readonly<Record<string, string>>): Buckets {
  const buckets = new Map<number, number>();
  for (const line of text.split("\n")) {
    if (!line.startsWith(`${name}_bucket{`)) continue;
    const [, inside = "", value] = /\{(.*)\} ([^ ]+)$/.exec(line) ?? [];
    const given = new Map([...inside.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, v]) => [key, v]));
    if (!Object.entries(labels).every(([key, wanted]) => given.get(key) === wanted)) continue;
    const le = given.get("le") === "+Inf" ? Number.POSITIVE_INFINITY : Number(given.get("le"));
    buckets.set(le, (buckets.get(le) ?? 0) + Number(value));
  }
  return new Map([...buckets].sort(([a], [b]) => a - b));
}

/** What was counted between two readings of the same histogram. */
export const since = (before: Buckets, now: Buckets): Buckets =>
  new Map([...now].map(([le, count]) => [le, count - (before.get(le) ?? 0)]));

/**
 * A quantile of a histogram, as PromQL's `histogram_quantile` says it: linear within the bucket; the last finite bound for
 * values beyond it; 0 when nothing was counted.
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
