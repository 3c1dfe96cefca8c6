/** Infrastructure: the processes and the room they have. */
import { metrics } from "../../../contracts/metrics.ts";
import { externalMetrics } from "../../prometheus/external-metrics.ts";
import type { Board } from "../board.ts";
import { orZero, quantile, rateBy } from "../promql.ts";
import { processPanels } from "./shared-panels.ts";

const chosen = 'service=~"$service"';

export const infrastructure: Board = {
  slug: "infrastructure",
  title: "Infrastructure",
  description: "The processes, what they use, and the room they have.",
  variables: [{ name: "service", label: "Service", metric: metrics.cpuTime.name, multiple: true }],
  rows: [
    {
      title: "Processes",
      panels: [
        {
          kind: "stat",
          title: "Answering",
          description: "Processes of each service that answer Prometheus.",
          unit: "short",
          queries: [{ expr: `sum by (service) (${externalMetrics.up}{${chosen}})`, legend: "{{service}}" }],
          thresholds: { warn: 1, bad: 1 },
          lowerIsWorse: true,
          width: 12,
          height: 6,
        },
        {
          kind: "stat",
          title: "Running since",
          description: "Time since each process started.",
          unit: "dtdurations",
          queries: [
            { expr: `time() - min by (service) (${metrics.startTime.name}{${chosen}})`, legend: "{{service}}" },
          ],
          width: 12,
          height: 6,
        },
        ...processPanels(chosen),
      ],
    },
    {
      title: "Runtime",
      panels: [
        {
          kind: "lines",
          title: "Event loop",
          description: "How late a timer of the process fires (p99): late timers are a process that is out of breath.",
          unit: "s",
          queries: [
            {
              expr: quantile(0.99, "service, instance", metrics.eventLoopLag.name, chosen),
              legend: "{{service}} {{instance}}",
            },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Heap",
          description: "Live memory of the JavaScript engine's heap.",
          unit: "bytes",
          queries: [
            {
              expr: `sum by (service, instance) (${metrics.heapUsed.name}{${chosen}})`,
              legend: "{{service}} {{instance}}",
            },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Spans",
          description:
            "Spans a second; unsampled: not to be kept; dropped: no collector took them, and nothing waits for it. 0 without tracing.",
          unit: "ops",
          queries: [{ expr: orZero(rateBy("outcome", metrics.spans.name, chosen)), legend: "{{outcome}}" }],
          width: 8,
          height: 8,
        },
      ],
    },
    {
      title: "Pools and buffers",
      panels: [
        {
          kind: "lines",
          title: "Connections to PostgreSQL",
          description: "Part of each pool's connections that run a statement.",
          unit: "percentunit",
          queries: [
            {
              expr: `sum by (service, pool) (${metrics.poolUsed.name}{${chosen}}) / sum by (service, pool) (${metrics.poolSize.name}{${chosen}})`,
              legend: "{{service}} {{pool}}",
            },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Statements that wait",
          description: "Statements that wait for a connection of a pool.",
          unit: "short",
          queries: [
            { expr: `sum by (service, pool) (${metrics.poolWaiting.name}{${chosen}})`, legend: "{{service}} {{pool}}" },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Buffers",
          description:
            "How full each bounded buffer is. What comes to a full one is refused or dropped, as its owner says.",
          unit: "percentunit",
          queries: [
            {
              expr: orZero(
                `max by (service, buffer) (${metrics.bufferItems.name}{${chosen}} / ${metrics.bufferLimit.name}{${chosen}})`,
              ),
              legend: "{{service}} {{buffer}}",
            },
          ],
          width: 8,
          height: 8,
        },
      ],
    },
    {
      title: "Room",
      panels: [
        {
          kind: "lines",
          title: "Disk",
          description:
            "Free part of the disk that the stream's folder lies on. With bun run up that is the disk of everything; in containers, add a node exporter.",
          unit: "percentunit",
          queries: [
            { expr: `${metrics.diskFree.name} / ${metrics.diskSize.name}`, legend: "{{service}} {{instance}}" },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Databases",
          description: "Bytes that each database takes on its server's disk.",
          unit: "bytes",
          queries: [{ expr: `max by (owner) (${metrics.databaseSize.name})`, legend: "{{owner}}" }],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Time to scrape",
          description: "How long each process takes to tell its metrics; a process that is short of CPU takes longer.",
          unit: "s",
          queries: [{ expr: `max by (service) (${externalMetrics.scrapeSeconds}{${chosen}})`, legend: "{{service}}" }],
          width: 8,
          height: 8,
        },
      ],
    },
  ],
};
