/** The few shapes of query that the dashboards are made of. */

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

/** Zero where there is nothing: for what a healthy system has none of. */
export const orZero = (expr: string): string => `${expr} or vector(0)`;

/** Zero for each replica that has nothing to tell yet. */
export const orZeroByReplica = (expr: string, appliedBy: string): string => `${expr} or 0 * ${appliedBy}`;
