/** Dashboard "Stream": decisions, progress, and rejected events of the stream. */
import { metrics } from "../../../contracts/metrics.ts";
import { streamGroup } from "../../../contracts/topics.ts";
import type { Board } from "../board.ts";
import { orZero, rateBy } from "../promql.ts";
import { deadLetters, paused, processPanels } from "./shared-panels.ts";

/** The consumer group of the stream in any namespace. */
const streamLabel = `group=~"(.+[.])?${streamGroup({ namespace: "" })}"`;

/** Panels for all instances of the stream. */
export const stream: Board = {
  slug: "stream",
  title: "Stream",
  description: "Decisions of the stream, its progress, and events that it could not process.",
  variables: [],
  rows: [
    {
      title: "Flow",
      panels: [
        {
          kind: "lines",
          title: "Events by outcome",
          description:
            "Events per second. routed: sent to replicas. filtered: no replica's filter matches. duplicate, stale: already known. invalid: became dead letters.",
          unit: "ops",
          queries: [{ expr: rateBy("outcome", metrics.streamEvents.name), legend: "{{outcome}}" }],
          width: 12,
          height: 9,
        },
        {
          kind: "lines",
          title: "In and out",
          description:
            "Changes per second that the relay publishes, events that the stream decides, and events that the replicas process.",
          unit: "ops",
          queries: [
            { expr: rateBy("", metrics.relayPublished.name), legend: "published" },
            { expr: rateBy("", metrics.streamEvents.name), legend: "decided" },
            { expr: rateBy("replica", metrics.replicaApplied.name), legend: "processed by {{replica}}" },
          ],
          width: 12,
          height: 9,
        },
      ],
    },
    {
      title: "Progress",
      panels: [
        {
          kind: "lines",
          title: "Lag by partition",
          description: "Records of each partition that the stream has not processed yet.",
          unit: "short",
          queries: [
            {
              expr: `max by (partition) (${metrics.consumerLag.name}{${streamLabel}})`,
              legend: "partition {{partition}}",
            },
          ],
          width: 12,
          height: 8,
        },
        {
          kind: "lines",
          title: "Partition takeovers",
          description:
            "How often an instance fenced the previous owner of a partition and read back its progress: at each start, and when the number of instances changes.",
          unit: "short",
          queries: [
            {
              expr: `sum by (instance) (increase(${metrics.streamTakeovers.name}{service="stream"}[$__rate_interval]))`,
              legend: "{{instance}}",
            },
          ],
          width: 12,
          height: 8,
        },
      ],
    },
    {
      title: "Problems",
      panels: [
        deadLetters({ width: 6, height: 6 }),
        {
          kind: "stat",
          title: "Invalid events",
          description: "Events per second that do not fit their declaration.",
          unit: "ops",
          queries: [{ expr: orZero(rateBy("", metrics.streamEvents.name, 'outcome="invalid"')), legend: "invalid" }],
          thresholds: { warning: 0.001, critical: 1 },
          width: 6,
          height: 6,
        },
        {
          kind: "stat",
          title: "Input gaps",
          description:
            "How often the log had already deleted a consumer's next record. Verify the replicas and repair them.",
          unit: "short",
          queries: [{ expr: orZero(`sum(increase(${metrics.inputGaps.name}[$__rate_interval]))`), legend: "gaps" }],
          thresholds: { warning: 1, critical: 1 },
          width: 6,
          height: 6,
        },
        paused("stream", { width: 6, height: 6 }),
      ],
    },
    { title: "Processes", panels: processPanels('service="stream"') },
  ],
};
