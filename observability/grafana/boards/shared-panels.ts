/** Panels that more than one dashboard shows. */
import { metrics } from "../../../contracts/metrics.ts";
import { GROUP_LAG } from "../../prometheus/recording.ts";
import type { Panel } from "../panel.ts";
import { orZero, orZeroByReplica, rateBy, syncLatency } from "../promql.ts";

/** The first number everywhere. @param labels which replicas. */
export const commitToReadable = (labels: string, size: { width: number; height: number }): Panel => ({
  kind: "lines",
  title: "Commit to readable",
  description:
    "From the commit in the source until the change can be read in the replica: of half of the changes (p50), and of 99 of 100. While nobody writes, that of the canary. A point is one write and leads to its trace.",
  unit: "s",
  queries: [
    { expr: syncLatency(0.99, labels), legend: "p99 {{replica}} {{store}}", exemplars: true },
    { expr: syncLatency(0.5, labels), legend: "p50 {{replica}} {{store}}" },
  ],
  ...size,
});

export const lagByGroup = (size: { width: number; height: number }): Panel => ({
  kind: "lines",
  title: "Lag",
  description:
    "Records that the stream and each replica have before them. Some are always there while changes come in.",
  unit: "short",
  queries: [{ expr: GROUP_LAG, legend: "{{group}}" }],
  ...size,
});

export const outboxDepth = (size: { width: number; height: number }): Panel => ({
  kind: "lines",
  title: "Outbox",
  description:
    "Committed changes that the log has not acknowledged yet. It empties in no time, unless relay or brokers are away.",
  unit: "short",
  queries: [{ expr: `max(${metrics.outboxDepth.name})`, legend: "changes" }],
  ...size,
});

export const deadLetters = (size: { width: number; height: number }): Panel => ({
  kind: "stat",
  title: "Dead letters",
  description:
    "Events that could not be processed and that nothing newer has healed. More: docs/operate/dead-letters.md",
  unit: "short",
  queries: [{ expr: orZero(`sum(${metrics.deadLetters.name})`), legend: "open" }],
  thresholds: { warn: 1, bad: 10 },
  ...size,
});

/** @param labels which replicas. */
export const rowsThatDiffer = (labels: string, size: { width: number; height: number }): Panel => ({
  kind: "stat",
  title: "Rows that differ",
  description:
    "Rows of the replica, or entries of its cache, that the last verification found to differ. 0 also when there was none yet.",
  unit: "short",
  queries: [
    {
      expr: orZeroByReplica(`max by (replica) (${metrics.divergentRows.name}{${labels}})`, labels),
      legend: "{{replica}}",
    },
  ],
  thresholds: { warn: 1, bad: 1 },
  ...size,
});

export const paused = (service: string, size: { width: number; height: number }): Panel => ({
  kind: "stat",
  title: "Paused",
  description: "Yes while an operator has paused it.",
  unit: "bool_yes_no",
  queries: [{ expr: orZero(`max(${metrics.paused.name}{service="${service}"})`), legend: "paused" }],
  thresholds: { warn: 1, bad: 2 },
  ...size,
});

/** CPU and memory of some processes. */
export const processPanels = (labels: string): readonly Panel[] => [
  {
    kind: "stack",
    title: "CPU",
    description: "CPU time that each process uses, in cores.",
    unit: "short",
    queries: [{ expr: rateBy("service, instance", metrics.cpuTime.name, labels), legend: "{{service}} {{instance}}" }],
    width: 12,
    height: 8,
  },
  {
    kind: "stack",
    title: "Memory",
    description: "Resident memory of each process.",
    unit: "bytes",
    queries: [
      {
        expr: `sum by (service, instance) (${metrics.residentMemory.name}{${labels}})`,
        legend: "{{service}} {{instance}}",
      },
    ],
    width: 12,
    height: 8,
  },
];
