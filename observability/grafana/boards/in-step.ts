/** In step: the one for the wall. Is everything readable everywhere, how fast, and if not, where does it wait? */
import { metrics } from "../../../contracts/metrics.ts";
import { externalMetrics } from "../../prometheus/external-metrics.ts";
import type { Board } from "../board.ts";
import { orZero, orZeroByReplica, rateBy, syncLatency } from "../promql.ts";
import { commitToReadable, deadLetters, lagByGroup, outboxDepth, rowsThatDiffer } from "./shared-panels.ts";

const chosen = 'replica=~"$replica"';

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
          title: "Half of the changes within",
          description: "From the commit in the source to readable in the replica's store (p50).",
          unit: "s",
          queries: [{ expr: syncLatency(0.5, chosen), legend: "{{replica}} {{store}}" }],
          thresholds: { warn: 0.1, bad: 0.5 },
          width: 12,
          height: 5,
        },
        {
          kind: "stat",
          title: "99 of 100 within",
          description: "The same for all but the slowest hundredth (p99). The objective is half a second.",
          unit: "s",
          queries: [{ expr: syncLatency(0.99, chosen), legend: "{{replica}} {{store}}" }],
          thresholds: { warn: 0.25, bad: 0.5 },
          width: 12,
          height: 5,
        },
        commitToReadable(chosen, { width: 24, height: 9 }),
      ],
    },
    {
      title: "Where it waits",
      panels: [
        outboxDepth({ width: 6, height: 7 }),
        {
          kind: "lines",
          title: "Oldest change in the outbox",
          description: "How long the oldest committed change has waited for the log to take it.",
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
            "Changes a second: published from the source, and applied by each replica. In step, the lines lie on each other.",
          unit: "ops",
          queries: [
            { expr: rateBy("", metrics.relayPublished.name), legend: "published" },
            {
              expr: rateBy("replica", metrics.replicaApplied.name, `${chosen},outcome="applied"`),
              legend: "applied {{replica}}",
            },
          ],
          width: 6,
          height: 7,
        },
      ],
    },
    {
      title: "Is it true",
      panels: [
        deadLetters({ width: 4, height: 5 }),
        {
          kind: "stat",
          title: "Last canary",
          description:
            "Time since the newest canary that is readable there was committed. One is written every few seconds.",
          unit: "s",
          queries: [
            {
              expr: `time() - min by (replica) (max by (replica, store) (${metrics.canarySeen.name}{${chosen}}))`,
              legend: "{{replica}}",
            },
          ],
          thresholds: { warn: 30, bad: 60 },
          width: 4,
          height: 5,
        },
        rowsThatDiffer(chosen, { width: 4, height: 5 }),
        {
          kind: "stat",
          title: "Last verified",
          description: "Time since source and replica were last compared. 0 also when they never were.",
          unit: "s",
          queries: [
            {
              expr: orZeroByReplica(`time() - max by (replica) (${metrics.verifiedAt.name}{${chosen}})`, chosen),
              legend: "{{replica}}",
            },
          ],
          thresholds: { warn: 1_800, bad: 2_700 },
          width: 4,
          height: 5,
        },
        {
          kind: "stat",
          title: "Alerts",
          description: "Alerts that fire now. What each means and what to do: docs/operate/runbook.md",
          unit: "short",
          queries: [{ expr: orZero(`count(${externalMetrics.alerts}{alertstate="firing"})`), legend: "firing" }],
          thresholds: { warn: 1, bad: 2 },
          width: 4,
          height: 5,
        },
        {
          kind: "stat",
          title: "Processes away",
          description: "Processes that Prometheus looks for and that do not answer.",
          unit: "short",
          queries: [{ expr: orZero(`count(${externalMetrics.up} == 0)`), legend: "away" }],
          thresholds: { warn: 1, bad: 2 },
          width: 4,
          height: 5,
        },
      ],
    },
  ],
};
