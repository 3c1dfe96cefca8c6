/** Recording rules: series that alerts and dashboards share, so that both show the same values. */
import { metrics } from "../../contracts/metrics.ts";
import { duration, type Recording } from "./rule.ts";
import type { Thresholds } from "./thresholds.ts";

const latency = metrics.syncLatency.name;
const lag = metrics.consumerLag.name;

/** Windows of the burn rates: 5 and 30 minutes, 1 and 6 hours. */
const WINDOWS = [300, 1_800, 3_600, 21_600] as const;
/** A window, in seconds. */
export type Window = (typeof WINDOWS)[number];

/** Ratio of the changes, 0 to 1, that became readable later than the objective allows. */
export const slowRatio = (window: Window): string => `replica_store:${latency}:slow_ratio_rate${duration(window)}`;

/** 99th percentile of the latency over five minutes, in seconds. */
export const P99 = `replica_store:${latency}:p99_rate5m`;

/**
 * Records that a group has not processed. Two processes report each partition: its consumer after each batch, and the
 * console, which queries the log. The console also covers consumers that hang or are not running. The larger value
 * counts.
 */
export const GROUP_LAG = `group:${lag}:sum`;

/** The rules. */
export const recordings = ({ slo }: Thresholds): readonly Recording[] => [
  ...WINDOWS.map((window) => ({ record: slowRatio(window), expr: slowRatioExpr(window, slo.withinSeconds) })),
  { record: P99, expr: `histogram_quantile(0.99, sum by (replica, store, le) (rate(${latency}_bucket[5m])))` },
  { record: GROUP_LAG, expr: `sum by (group) (max by (group, partition) (${lag}))` },
];

function slowRatioExpr(window: Window, withinSeconds: number): string {
  const rate = (series: string) => `sum by (replica, store) (rate(${latency}_${series}[${duration(window)}]))`;
  // Prometheus 3 stores a whole bound as 1.0, Prometheus 2 as it was reported.
  const bound = Number.isInteger(withinSeconds) ? `le=~"${withinSeconds}([.]0)?"` : `le="${withinSeconds}"`;
  return `1 - ${rate(`bucket{${bound}}`)} / ${rate("count")}`;
}
