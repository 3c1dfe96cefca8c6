/** Alerts on the caches. A disabled cache returns no wrong data; reads come from PostgreSQL and are slower. */
import { metrics } from "../../../contracts/metrics.ts";
import { type Alert, duration } from "../rule.ts";
import type { Thresholds } from "../thresholds.ts";

const requests = metrics.cacheRequests.name;

/** CacheEpochRising and CacheBypassed. */
export const cacheAlerts = ({ cacheEpochRising, cacheBypassed }: Thresholds): readonly Alert[] => [
  {
    name: "CacheEpochRising",
    expr: epochIncreases(cacheEpochRising),
    forSeconds: 0,
    severity: "ticket",
    summary: `The cache of {{ $labels.replica }} was invalidated completely {{ $value }} times within ${duration(cacheEpochRising.windowSeconds)}`,
    section: "cache-epoch-rising",
  },
  {
    name: "CacheBypassed",
    expr: bypassShare(cacheBypassed),
    forSeconds: cacheBypassed.forSeconds,
    severity: "ticket",
    summary: "{{ $value | humanizePercentage }} of the reads by id of {{ $labels.replica }} bypass the cache",
    section: "cache-bypassed",
  },
];

function epochIncreases({ times, windowSeconds }: Thresholds["cacheEpochRising"]): string {
  const epoch = metrics.cacheEpoch.name;
  const lowest = `min_over_time(${epoch}[${duration(windowSeconds)}])`;
  return `max by (replica) (${epoch}) - min by (replica) (${lowest}) > ${times}`;
}

function bypassShare({ share, windowSeconds }: Thresholds["cacheBypassed"]): string {
  const rate = (matchers: string) => `sum by (replica) (rate(${requests}${matchers}[${duration(windowSeconds)}]))`;
  return `${rate('{result="bypass"}')} / ${rate("")} > ${share}`;
}
