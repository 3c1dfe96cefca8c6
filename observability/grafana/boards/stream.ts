/** Stream: what it decides, how far it is, and what it could not process. */
import { metrics } from "../../../contracts/metrics.ts";
import { streamGroup } from "../../../contracts/topics.ts";
import type { Board } from "../board.ts";
import { orZero, rateBy } from "../promql.ts";
import { deadLetters, paused, processPanels } from "./shared-panels.ts";

const ofGroup = `group="${streamGroup}"`;

export const stream: Board = {
  slug: "stream",
  title: "Stream",
  description: "What the stream decides about each event, how far it is, and what it could not process.",
  variables: [],
  rows: [
    {
      title: "Flow",
      panels: [
        {
          kind: "lines",
          title: "Events by outcome",
          description:
            "routed: to its replicas; filtered: of no replica's filter; duplicate, stale: nothing new; invalid: became dead letters.",
          unit: "ops",
          queries: [{ expr: rateBy("outcome", metrics.streamEvents.name), legend: "{{outcome}}" }],
          width: 12,
          height: 9,
        },
        {
          kind: "lines",
          title: "In and out",
          description:
            "Changes a second that the relay publishes, events that the stream decides on, and events that the replicas take.",
          unit: "ops",
          queries: [
            { expr: rateBy("", metrics.relayPublished.name), legend: "published" },
            { expr: rateBy("", metrics.streamEvents.name), legend: "decided" },
            { expr: rateBy("replica", metrics.replicaApplied.name), legend: "taken by {{replica}}" },
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
          description: "Records of each partition of the events that the stream has before it.",
          unit: "short",
          queries: [
            { expr: `max by (partition) (${metrics.consumerLag.name}{${ofGroup}})`, legend: "partition {{partition}}" },
          ],
          width: 12,
          height: 8,
        },
        {
          kind: "lines",
          title: "Partitions taken over",
          description:
            "Times an instance fenced a partition's earlier owner and read its progress back: at each start, and when instances come and go.",
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
      title: "Trouble",
      panels: [
        deadLetters({ width: 6, height: 6 }),
        {
          kind: "stat",
          title: "Invalid events",
          description: "Events a second that do not fit their declaration.",
          unit: "ops",
          queries: [{ expr: orZero(rateBy("", metrics.streamEvents.name, 'outcome="invalid"')), legend: "invalid" }],
          thresholds: { warn: 0.001, bad: 1 },
          width: 6,
          height: 6,
        },
        {
          kind: "stat",
          title: "Gaps in the input",
          description: "Times a consumer found that the log no longer held its next record: verify and repair.",
          unit: "short",
          queries: [{ expr: orZero(`sum(increase(${metrics.inputGaps.name}[$__rate_interval]))`), legend: "gaps" }],
          thresholds: { warn: 1, bad: 1 },
          width: 6,
          height: 6,
        },
        paused("stream", { width: 6, height: 6 }),
      ],
    },
    { title: "Processes", panels: processPanels('service="stream"') },
  ],
};
