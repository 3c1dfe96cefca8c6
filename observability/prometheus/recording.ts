/** Series that alerts and dashboards share, so that both tell the same. */
import { metrics } from "../../contracts/metrics.ts";
import { duration, type Recording } from "./rule.ts";
import type { Thresholds } from "./thresholds.ts";

const latency = metrics.syncLatency.name;
const lag = metrics.consumerLag.name;

/** Windows of the burn rates, in seconds: 5 and 30 minutes, 1 and 6 hours. */
const WINDOWS = [300, 1_800, 3_600, 21_600] as const;
export type Window = (typeof WINDOWS)[number];

/** Part of the changes, from 0 to 1, that was readable later than the objective says. */
export const slowRatio = (window: Window): string => `replica_store:${latency}:slow_ratio_rate${duration(window)}`;

/** Latency of 99 of 100 changes over five minutes, in seconds. */
export const P99 = `replica_store:${latency}:p99_rate5m`;

/**
 * Records that a group has before it. Two tell of a partition: who follows it, after each batch, and the console, which asks the log
 * and so knows also of those who hang or are away.
 */
export const GROUP_LAG = `group:${lag}:sum`;

export const recordings = ({ slo }: Thresholds): readonly Recording[] => [
  ...WINDOWS.map((window) => ({ record: slowRatio(window), expr: slowIn(window, slo.withinSeconds) })),
  { record: P99, expr: `histogram_quantile(0.99, sum by (replica, store, le) (rate(${latency}_bucket[5m])))` },
  { record: GROUP_LAG, expr: `sum by (group) (max by (group, partition) (${lag}))` },
];

function slowIn(window: Window, withinSeconds: number): string {
  const rate = (series: string) => `sum by (replica, store) (rate(${latency}_${series}[${duration(window)}]))`;
  // Prometheus 3 writes whole bounds as 1.0, and Prometheus 2 as they were told.
  const bound = Number.isInteger(withinSeconds) ? `le=~"${withinSeconds}([.]0)?"` : `le="${withinSeconds}"`;
  return `1 - ${rate(`bucket{${bound}}`)} / ${rate("count")}`;
}
