/** One replica: what it applies, what it answers, and how its cache does. */
import { metrics } from "../../../contracts/metrics.ts";
import type { Board } from "../board.ts";
import { orZero, quantile, rateBy } from "../promql.ts";
import { commitToReadable, paused, processPanels, rowsThatDiffer } from "./shared-panels.ts";

const latency = metrics.syncLatency.name;
const http = metrics.httpRequests.name;
const own = 'replica="$replica"';
const ownHttp = 'service="replica-$replica",http_route=~"/[a-z-]+(/:id)?",http_route!~"/(metrics|health/.*)"';

export const oneReplica: Board = {
  slug: "one-replica",
  title: "One replica",
  description: "What one replica applies, what it answers, and how its cache does.",
  variables: [{ name: "replica", label: "Replica", metric: metrics.cacheEpoch.name, multiple: false }],
  rows: [
    {
      title: "Commit to readable",
      panels: [
        commitToReadable(own, { width: 12, height: 9 }),
        {
          kind: "heatmap",
          title: "Changes by latency",
          description: "How many changes were readable in PostgreSQL after which time: the darker, the more.",
          unit: "short",
          queries: [{ expr: rateBy("le", `${latency}_bucket`, `${own},store="postgres"`), legend: "{{le}}" }],
          width: 12,
          height: 9,
        },
      ],
    },
    {
      title: "Applying",
      panels: [
        {
          kind: "lines",
          title: "Lag by partition",
          description: "Records of each partition that the replica has before it.",
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
          description: "applied: new here; duplicate, stale: nothing new; unappliable, invalid: became dead letters.",
          unit: "ops",
          queries: [{ expr: rateBy("outcome", metrics.replicaApplied.name, own), legend: "{{outcome}}" }],
          width: 8,
          height: 8,
        },
        rowsThatDiffer(own, { width: 4, height: 8 }),
        paused("replica-$replica", { width: 4, height: 8 }),
      ],
    },
    {
      title: "Answering",
      panels: [
        {
          kind: "lines",
          title: "Reads by status",
          description: "Answers a second. 503 with a Sync-Token: the replica was not that far in time.",
          unit: "reqps",
          queries: [
            {
              expr: orZero(rateBy("http_response_status_code", `${http}_count`, ownHttp)),
              legend: "{{http_response_status_code}}",
            },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Time to answer",
          description:
            "Of half of the reads, and of 99 of 100; reads that wait for a Sync-Token among them. 0 while nobody reads.",
          unit: "s",
          queries: [
            { expr: orZero(quantile(0.99, "", http, ownHttp)), legend: "p99" },
            { expr: orZero(quantile(0.5, "", http, ownHttp)), legend: "p50" },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Reads with a Sync-Token",
          description: "fresh: at once; waited: after a wait; behind: refused, as the replica was not there in time.",
          unit: "reqps",
          queries: [{ expr: orZero(rateBy("outcome", metrics.freshReads.name, own)), legend: "{{outcome}}" }],
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
          title: "Reads by id, by what the cache said",
          description:
            "hit: answered by Redis; miss: by PostgreSQL, and put into Redis; bypass: Redis is away or the cache is off.",
          unit: "reqps",
          queries: [{ expr: orZero(rateBy("result", metrics.cacheRequests.name, own)), legend: "{{result}}" }],
          width: 12,
          height: 8,
        },
        {
          kind: "lines",
          title: "Epoch of the cache",
          description: "It rises when all cached documents are given up, since some of them may be stale.",
          unit: "short",
          queries: [{ expr: `max(${metrics.cacheEpoch.name}{${own}})`, legend: "epoch" }],
          width: 6,
          height: 8,
        },
        {
          kind: "lines",
          title: "Its database",
          description: "Bytes that the replica's database takes on its server's disk.",
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
