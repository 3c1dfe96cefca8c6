/** The few shapes of query that the dashboards are made of. */
import { metrics } from "../../contracts/metrics.ts";

/** Range of every rate: Grafana makes it at least four scrapes long. */
const WINDOW = "[$__rate_interval]";

/** `a="b",c="d"` in braces; nothing for none. */
const selector = (labels: string): string => (labels ? `{${labels}}` : "");

/** Per second, for each series. */
export const rate = (counter: string, labels = ""): string => `rate(${counter}${selector(labels)}${WINDOW})`;

/** Per second, summed by some labels; by none, one number. */
export const rateBy = (by: string, counter: string, labels = ""): string =>
  `sum${by ? ` by (${by})` : ""} (${rate(counter, labels)})`;

/** The value below which `part` of 1 lay, by some labels. */
export const quantile = (part: number, by: string, histogram: string, labels = ""): string =>
  `histogram_quantile(${part}, sum by (${[by, "le"].filter(Boolean).join(", ")}) (${rate(`${histogram}_bucket`, labels)}))`;

/** Latency from the commit on; where nothing is written, the canary's, so that an idle system tells it too. */
export const syncLatency = (part: number, labels: string): string => {
  const of = ({ name }: { name: string }) => quantile(part, "replica, store", name, labels);
  // Without a change the quantile is no number, which is not above 0 either.
  return `${of(metrics.syncLatency)} >= 0 or ${of(metrics.canaryLatency)}`;
};

/** Zero where there is nothing at all, and no line of its own beside what there is: for what a healthy system has none of. */
export const orZero = (expr: string): string => `${expr} or on () vector(0)`;

/** Zero for each replica that has nothing to tell yet. @param labels which replicas. */
export const orZeroByReplica = (expr: string, labels: string): string =>
  `${expr} or 0 * count by (replica) (${metrics.cacheEpoch.name}{${labels}})`;
