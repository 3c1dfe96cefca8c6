/** Alerts on the caches. A cache that is off is never wrong: reads come from PostgreSQL, slower. */
import { metrics } from "../../../contracts/metrics.ts";
import { type Alert, duration } from "../rule.ts";
import type { Thresholds } from "../thresholds.ts";

const requests = metrics.cacheRequests.name;

export const cacheAlerts = ({ cacheEpochRising, cacheBypassed }: Thresholds): readonly Alert[] => [
  {
    name: "CacheEpochRising",
    expr: epochRose(cacheEpochRising),
    forSeconds: 0,
    severity: "ticket",
    summary: `All cached documents of {{ $labels.replica }} were given up {{ $value }} times within ${duration(cacheEpochRising.windowSeconds)}`,
    section: "cache-epoch-rising",
  },
  {
    name: "CacheBypassed",
    expr: bypassed(cacheBypassed),
    forSeconds: cacheBypassed.forSeconds,
    severity: "ticket",
    summary: "{{ $value | humanizePercentage }} of {{ $labels.replica }}'s reads by id go round the cache",
    section: "cache-bypassed",
  },
];

function epochRose({ times, windowSeconds }: Thresholds["cacheEpochRising"]): string {
  const epoch = metrics.cacheEpoch.name;
  const least = `min_over_time(${epoch}[${duration(windowSeconds)}])`;
  return `max by (replica) (${epoch}) - min by (replica) (${least}) > ${times}`;
}

function bypassed({ share, windowSeconds }: Thresholds["cacheBypassed"]): string {
  const rate = (which: string) => `sum by (replica) (rate(${requests}${which}[${duration(windowSeconds)}]))`;
  return `${rate('{result="bypass"}')} / ${rate("")} > ${share}`;
}
