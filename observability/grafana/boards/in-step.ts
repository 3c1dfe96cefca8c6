/** Dashboard "In step", for a wall screen: sync latency, backlogs, and correctness. */
import { metrics } from "../../../contracts/metrics.ts";
import { externalMetrics } from "../../prometheus/external-metrics.ts";
import type { Board } from "../board.ts";
import { orZero, orZeroByReplica, rateBy, syncLatency } from "../promql.ts";
import { commitToReadable, deadLetters, lagByGroup, outboxDepth, rowsThatDiffer } from "./shared-panels.ts";

const selected = 'replica=~"$replica"';

/** The dashboard to look at first. */
export const inStep: Board = {
  slug: "in-step",
  title: "In step",
  description: "Is every change readable in every replica, how fast, and if not, where does it wait?",
  variables: [{ name: "replica", label: "Replica", metric: metrics.cacheEpoch.name, multiple: true }],
  rows: [
    {
      title: "Commit to readable",
      panels: [
        {
          kind: "stat",
          title: "Median latency",
          description: "From the commit in the source until the change is readable in the replica's store (p50).",
          unit: "s",
          queries: [{ expr: syncLatency(0.5, selected), legend: "{{replica}} {{store}}" }],
          thresholds: { warning: 0.1, critical: 0.5 },
          width: 12,
          height: 5,
        },
        {
          kind: "stat",
          title: "99th percentile latency",
          description:
            "From the commit in the source until the change is readable in the replica's store (p99). The objective is 0.5 s.",
          unit: "s",
          queries: [{ expr: syncLatency(0.99, selected), legend: "{{replica}} {{store}}" }],
          thresholds: { warning: 0.25, critical: 0.5 },
          width: 12,
          height: 5,
        },
        commitToReadable(selected, { width: 16, height: 9 }),
        {
          kind: "stack",
          title: "Conditions",
          description:
            "1 for each condition that a service reports: something does not flow, or may not flow. Meaning and remedy of each: docs/operate/runbook.md",
          unit: "short",
          queries: [{ expr: `max by (condition) (${metrics.condition.name})`, legend: "{{condition}}" }],
          width: 8,
          height: 9,
        },
      ],
    },
    {
      title: "Backlogs",
      panels: [
        outboxDepth({ width: 6, height: 7 }),
        {
          kind: "lines",
          title: "Age of the outbox",
          description: "Age of the oldest committed change that the log has not acknowledged.",
          unit: "s",
          queries: [{ expr: `max(${metrics.outboxOldestAge.name})`, legend: "age" }],
          width: 6,
          height: 7,
        },
        lagByGroup({ width: 6, height: 7 }),
        {
          kind: "lines",
          title: "Changes",
          description:
            "Changes per second: published from the source, and applied by each replica. While the replicas keep up, the lines overlap.",
          unit: "ops",
          queries: [
            { expr: rateBy("", metrics.relayPublished.name), legend: "published" },
            {
              expr: rateBy("replica", metrics.replicaApplied.name, `${selected},outcome="applied"`),
              legend: "applied {{replica}}",
            },
          ],
          width: 6,
          height: 7,
        },
      ],
    },
    {
      title: "Correctness",
      panels: [
        deadLetters({ width: 4, height: 5 }),
        {
          kind: "stat",
          title: "Age of the last canary",
          description:
            "Time since the commit of the newest canary that is readable in each replica. The relay writes one every few seconds.",
          unit: "s",
          queries: [
            {
              expr: `time() - min by (replica) (max by (replica, store) (${metrics.canarySeen.name}{${selected}}))`,
              legend: "{{replica}}",
            },
          ],
          thresholds: { warning: 30, critical: 60 },
          width: 4,
          height: 5,
        },
        rowsThatDiffer(selected, { width: 4, height: 5 }),
        {
          kind: "stat",
          title: "Last verified",
          description: "Time since the last verification of each replica. Also 0 if there was none.",
          unit: "s",
          queries: [
            {
              expr: orZeroByReplica(`time() - max by (replica) (${metrics.verifiedAt.name}{${selected}})`, selected),
              legend: "{{replica}}",
            },
          ],
          thresholds: { warning: 1_800, critical: 2_700 },
          width: 4,
          height: 5,
        },
        {
          kind: "stat",
          title: "Alerts",
          description: "Firing alerts. Meaning and remedy of each: docs/operate/runbook.md",
          unit: "short",
          queries: [{ expr: orZero(`count(${externalMetrics.alerts}{alertstate="firing"})`), legend: "firing" }],
          thresholds: { warning: 1, critical: 2 },
          width: 4,
          height: 5,
        },
        {
          kind: "stat",
          title: "Unavailable processes",
          description: "Processes that Prometheus scrapes without a response.",
          unit: "short",
          queries: [{ expr: orZero(`count(${externalMetrics.up} == 0)`), legend: "unavailable" }],
          thresholds: { warning: 1, critical: 2 },
          width: 4,
          height: 5,
        },
      ],
    },
  ],
};
