/** Dashboard "One replica": applied changes, reads, and the cache of one replica. */
import { metrics } from "../../../contracts/metrics.ts";
import type { Board } from "../board.ts";
import { orZero, quantile, rateBy } from "../promql.ts";
import { commitToReadable, paused, processPanels, rowsThatDiffer } from "./shared-panels.ts";

const latency = metrics.syncLatency.name;
const http = metrics.httpRequests.name;
const thisReplica = 'replica="$replica"';
const replicaReads = 'service="replica-$replica",http_route=~"/[a-z-]+(/:id)?",http_route!~"/(metrics|health/.*)"';

/** Panels for the replica that the dashboard's variable selects. */
export const oneReplica: Board = {
  slug: "one-replica",
  title: "One replica",
  description: "Applied changes, reads, and the cache of one replica.",
  variables: [{ name: "replica", label: "Replica", metric: metrics.cacheEpoch.name, multiple: false }],
  rows: [
    {
      title: "Commit to readable",
      panels: [
        commitToReadable(thisReplica, { width: 12, height: 9 }),
        {
          kind: "heatmap",
          title: "Changes by latency",
          description: "Number of changes by the time until they were readable in PostgreSQL. Darker means more.",
          unit: "short",
          queries: [{ expr: rateBy("le", `${latency}_bucket`, `${thisReplica},store="postgres"`), legend: "{{le}}" }],
          width: 12,
          height: 9,
        },
      ],
    },
    {
      title: "Changes",
      panels: [
        {
          kind: "lines",
          title: "Lag by partition",
          description: "Records of each partition that the replica has not applied yet.",
          unit: "short",
          queries: [
            {
              expr: `max by (partition) (${metrics.consumerLag.name}{group="lockstep.replica.$replica"})`,
              legend: "partition {{partition}}",
            },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Events by outcome",
          description:
            "Events per second. applied: written. duplicate, stale: already known. unappliable, invalid: became dead letters.",
          unit: "ops",
          queries: [{ expr: rateBy("outcome", metrics.replicaApplied.name, thisReplica), legend: "{{outcome}}" }],
          width: 8,
          height: 8,
        },
        rowsThatDiffer(thisReplica, { width: 4, height: 8 }),
        paused("replica-$replica", { width: 4, height: 8 }),
      ],
    },
    {
      title: "Reads",
      panels: [
        {
          kind: "lines",
          title: "Reads by status",
          description:
            "Responses per second. 503 with a Sync-Token: the replica did not reach the token's version in time.",
          unit: "reqps",
          queries: [
            {
              expr: orZero(rateBy("http_response_status_code", `${http}_count`, replicaReads)),
              legend: "{{http_response_status_code}}",
            },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Response time",
          description:
            "Median (p50) and 99th percentile (p99), including reads that wait for a Sync-Token. 0 without reads.",
          unit: "s",
          queries: [
            { expr: orZero(quantile(0.99, "", http, replicaReads)), legend: "p99" },
            { expr: orZero(quantile(0.5, "", http, replicaReads)), legend: "p50" },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Reads with a Sync-Token",
          description:
            "fresh: served at once. waited: served after a wait. behind: rejected because the replica did not catch up in time.",
          unit: "reqps",
          queries: [{ expr: orZero(rateBy("outcome", metrics.freshReads.name, thisReplica)), legend: "{{outcome}}" }],
          width: 8,
          height: 8,
        },
      ],
    },
    {
      title: "Cache",
      panels: [
        {
          kind: "stack",
          title: "Reads by id, by cache result",
          description:
            "hit: served from Redis. miss: served from PostgreSQL and stored in Redis. bypass: Redis is unavailable or the cache is off.",
          unit: "reqps",
          queries: [{ expr: orZero(rateBy("result", metrics.cacheRequests.name, thisReplica)), legend: "{{result}}" }],
          width: 12,
          height: 8,
        },
        {
          kind: "lines",
          title: "Cache epoch",
          description: "It increases each time that the whole cache is invalidated because documents may be stale.",
          unit: "short",
          queries: [{ expr: `max(${metrics.cacheEpoch.name}{${thisReplica}})`, legend: "epoch" }],
          width: 6,
          height: 8,
        },
        {
          kind: "lines",
          title: "Replica database",
          description: "Size of the replica's database on disk.",
          unit: "bytes",
          queries: [{ expr: `max(${metrics.databaseSize.name}{owner="$replica"})`, legend: "size" }],
          width: 6,
          height: 8,
        },
      ],
    },
    { title: "Processes", panels: processPanels('service="replica-$replica"') },
  ],
};
