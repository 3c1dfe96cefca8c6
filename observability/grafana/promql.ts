/** The query patterns of the dashboards. */
import { metrics } from "../../contracts/metrics.ts";

/** Range of every rate. Grafana makes it at least four scrape intervals long. */
const WINDOW = "[$__rate_interval]";

/** Label matchers in braces; empty without matchers. */
const selector = (labels: string): string => (labels ? `{${labels}}` : "");

/** Rate per second of each series. */
export const rate = (counter: string, labels = ""): string => `rate(${counter}${selector(labels)}${WINDOW})`;

/** Rate per second, summed by labels; a single number if `by` is empty. */
export const rateBy = (by: string, counter: string, labels = ""): string =>
  `sum${by ? ` by (${by})` : ""} (${rate(counter, labels)})`;

/** A quantile, by labels. @param part 0.99 for the 99th percentile. */
export const quantile = (part: number, by: string, histogram: string, labels = ""): string =>
  `histogram_quantile(${part}, sum by (${[by, "le"].filter(Boolean).join(", ")}) (${rate(`${histogram}_bucket`, labels)}))`;

/**
 * Quantile of the sync latency by replica and store. Without writes, that of the canary, so an idle system has a
 * latency too.
 */
export const syncLatency = (part: number, labels: string): string => {
  const of = ({ name }: { name: string }) => quantile(part, "replica, store", name, labels);
  // Without changes the quantile is NaN, and `>= 0` removes it.
  return `${of(metrics.syncLatency)} >= 0 or ${of(metrics.canaryLatency)}`;
};

/** Zero if the expression has no result: for values that a healthy system does not have. */
export const orZero = (expr: string): string => `${expr} or on () vector(0)`;

/** Zero for each replica without a result. @param labels selects the replicas. */
export const orZeroByReplica = (expr: string, labels: string): string =>
  `${expr} or 0 * count by (replica) (${metrics.cacheEpoch.name}{${labels}})`;
