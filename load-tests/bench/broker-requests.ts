/** The requests that services send to the brokers, by the services' own counters. */
import { readCounters } from "./figures.ts";

const METRIC = "lockstep_broker_requests_total";

/** Number of requests by kind (`produce`, `fetch`, …). */
export type RequestCounts = Readonly<Record<string, number>>;

/** A service with /metrics. */
export interface MeteredService {
  /** As in the list of processes. */
  readonly name: string;
  /** Base URL. */
  readonly url: string;
}

/** Requests of each service since its start. A service without the metric, or that does not answer, is left out. */
export async function readBrokerRequests(services: readonly MeteredService[]): Promise<Map<string, RequestCounts>> {
  const counts = new Map<string, RequestCounts>();
  const texts = await Promise.all(
    services.map(({ url }) =>
      fetch(`${url}/metrics`)
        .then((response) => response.text())
        .catch(() => ""),
    ),
  );
  for (const [i, { name }] of services.entries()) {
    const counters = readCounters(texts[i] ?? "", METRIC, "request");
    if (counters.size > 0) counts.set(name, Object.fromEntries(counters));
  }
  return counts;
}

/** Requests between two readings. Null when no service has the metric. */
export function requestsBetween(
  before: ReadonlyMap<string, RequestCounts>,
  now: ReadonlyMap<string, RequestCounts>,
): Record<string, RequestCounts> | null {
  if (now.size === 0) return null;
  const between = [...now].map(([name, counts]): [string, RequestCounts] => [
    name,
    Object.fromEntries(
      Object.entries(counts).map(([kind, count]) => [kind, Math.max(0, count - (before.get(name)?.[kind] ?? 0))]),
    ),
  ]);
  return Object.fromEntries(between);
}

/** Sum over all services, by kind. */
export function totalRequests(byService: Readonly<Record<string, RequestCounts>>): Record<string, number> {
  const total: Record<string, number> = {};
  for (const counts of Object.values(byService))
    for (const [kind, count] of Object.entries(counts)) total[kind] = (total[kind] ?? 0) + count;
  return total;
}
