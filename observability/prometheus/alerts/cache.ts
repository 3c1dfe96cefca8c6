/** Alerts on the caches. A disabled cache returns no wrong data; reads come from PostgreSQL and are slower. */
import { metrics } from "../../../contracts/metrics.ts";
import { type Alert, duration } from "../rule.ts";
import type { Thresholds } from "../thresholds.ts";

/** CacheEpochRising. */
export const cacheAlerts = ({ cacheEpochRising }: Thresholds): readonly Alert[] => [
  {
    name: "CacheEpochRising",
    expr: epochIncreases(cacheEpochRising),
    forSeconds: 0,
    severity: "ticket",
    summary: `The cache of {{ $labels.replica }} was invalidated completely {{ $value }} times within ${duration(cacheEpochRising.windowSeconds)}`,
    section: "cache-epoch-rising",
  },
];

function epochIncreases({ times, windowSeconds }: Thresholds["cacheEpochRising"]): string {
  const epoch = metrics.cacheEpoch.name;
  const lowest = `min_over_time(${epoch}[${duration(windowSeconds)}])`;
  return `max by (replica) (${epoch}) - min by (replica) (${lowest}) > ${times}`;
}
