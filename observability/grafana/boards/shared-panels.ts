/** Panels that several dashboards share. */
import { metrics } from "../../../contracts/metrics.ts";
import { GROUP_LAG } from "../../prometheus/recording.ts";
import type { Panel } from "../panel.ts";
import { orZero, orZeroByReplica, rateBy, syncLatency } from "../promql.ts";

type PanelSize = Pick<Panel, "width" | "height">;

/** Sync latency, the first panel of several dashboards. @param labels selects the replicas. */
export const commitToReadable = (labels: string, size: PanelSize): Panel => ({
  kind: "lines",
  title: "Commit to readable",
  description:
    "From the commit in the source until the change is readable in the replica (median and 99th percentile). Without writes, the latency of the canary. A point is one write and links to its trace.",
  unit: "s",
  queries: [
    { expr: syncLatency(0.99, labels), legend: "p99 {{replica}} {{store}}", exemplars: true },
    { expr: syncLatency(0.5, labels), legend: "p50 {{replica}} {{store}}" },
  ],
  ...size,
});

/** Consumer lag of the stream and of each replica. */
export const lagByGroup = (size: PanelSize): Panel => ({
  kind: "lines",
  title: "Lag",
  description:
    "Records that the stream and each replica have not processed yet. While changes arrive, there are always some.",
  unit: "short",
  queries: [{ expr: GROUP_LAG, legend: "{{group}}" }],
  ...size,
});

/** Changes in the outbox. */
export const outboxDepth = (size: PanelSize): Panel => ({
  kind: "lines",
  title: "Outbox",
  description:
    "Committed changes that the log has not acknowledged yet. It grows while the relay or the brokers are unavailable.",
  unit: "short",
  queries: [{ expr: `max(${metrics.outboxDepth.name})`, legend: "changes" }],
  ...size,
});

/** Open dead letters. */
export const deadLetters = (size: PanelSize): Panel => ({
  kind: "stat",
  title: "Dead letters",
  description:
    "Events that could not be processed and that no newer event has superseded. See docs/operate/dead-letters.md",
  unit: "short",
  queries: [{ expr: orZero(`sum(${metrics.deadLetters.name})`), legend: "open" }],
  thresholds: { warning: 1, critical: 10 },
  ...size,
});

/** Result of the last verification. @param labels selects the replicas. */
export const rowsThatDiffer = (labels: string, size: PanelSize): Panel => ({
  kind: "stat",
  title: "Rows that differ",
  description:
    "Rows of the replica, or entries of its cache, that differed from the source at the last verification. Also 0 if there was none.",
  unit: "short",
  queries: [
    {
      expr: orZeroByReplica(`max by (replica) (${metrics.divergentRows.name}{${labels}})`, labels),
      legend: "{{replica}}",
    },
  ],
  thresholds: { warning: 1, critical: 1 },
  ...size,
});

/** Whether an operator has paused a service. */
export const paused = (service: string, size: PanelSize): Panel => ({
  kind: "stat",
  title: "Paused",
  description: "Yes while an operator has paused the service.",
  unit: "bool_yes_no",
  queries: [{ expr: orZero(`max(${metrics.paused.name}{service="${service}"})`), legend: "paused" }],
  thresholds: { warning: 1, critical: 2 },
  ...size,
});

/** CPU and memory. @param labels selects the processes. */
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
