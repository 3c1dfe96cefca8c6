/** Dashboard "Infrastructure": processes, runtime, pools, buffers, and disk space. */
import { metrics } from "../../../contracts/metrics.ts";
import { externalMetrics } from "../../prometheus/external-metrics.ts";
import type { Board } from "../board.ts";
import { orZero, quantile, rateBy } from "../promql.ts";
import { processPanels } from "./shared-panels.ts";

const selected = 'service=~"$service"';

/** Panels for the processes of all services. */
export const infrastructure: Board = {
  slug: "infrastructure",
  title: "Infrastructure",
  description: "Processes, the resources that they use, and the resources that are left.",
  variables: [{ name: "service", label: "Service", metric: metrics.cpuTime.name, multiple: true }],
  rows: [
    {
      title: "Processes",
      panels: [
        {
          kind: "stat",
          title: "Instances",
          description: "Instances of each service that respond to Prometheus.",
          unit: "short",
          queries: [{ expr: `sum by (service) (${externalMetrics.up}{${selected}})`, legend: "{{service}}" }],
          thresholds: { warning: 1, critical: 1 },
          lowerIsWorse: true,
          width: 12,
          height: 6,
        },
        {
          kind: "stat",
          title: "Uptime",
          description: "Time since the oldest instance of each service started.",
          unit: "dtdurations",
          queries: [
            { expr: `time() - min by (service) (${metrics.startTime.name}{${selected}})`, legend: "{{service}}" },
          ],
          width: 12,
          height: 6,
        },
        ...processPanels(selected),
      ],
    },
    {
      title: "Runtime",
      panels: [
        {
          kind: "lines",
          title: "Event loop delay",
          description: "Delay of the process's timers (p99). A high delay means that the process is overloaded.",
          unit: "s",
          queries: [
            {
              expr: quantile(0.99, "service, instance", metrics.eventLoopLag.name, selected),
              legend: "{{service}} {{instance}}",
            },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Heap",
          description: "Used memory of the JavaScript heap.",
          unit: "bytes",
          queries: [
            {
              expr: `sum by (service, instance) (${metrics.heapUsed.name}{${selected}})`,
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
            "Spans per second. exported: sent. unsampled: not selected. dropped: the collector is unavailable. 0 without tracing.",
          unit: "ops",
          queries: [{ expr: orZero(rateBy("outcome", metrics.spans.name, selected)), legend: "{{outcome}}" }],
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
          title: "PostgreSQL connections in use",
          description: "Share of each pool's connections that run a statement.",
          unit: "percentunit",
          queries: [
            {
              expr: `sum by (service, pool) (${metrics.poolUsed.name}{${selected}}) / sum by (service, pool) (${metrics.poolSize.name}{${selected}})`,
              legend: "{{service}} {{pool}}",
            },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Waiting statements",
          description: "Statements that wait for a connection.",
          unit: "short",
          queries: [
            {
              expr: `sum by (service, pool) (${metrics.poolWaiting.name}{${selected}})`,
              legend: "{{service}} {{pool}}",
            },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Buffers",
          description: "Fill level of each bounded buffer. A full buffer rejects or drops new items.",
          unit: "percentunit",
          queries: [
            {
              expr: orZero(
                `max by (service, buffer) (${metrics.bufferItems.name}{${selected}} / ${metrics.bufferLimit.name}{${selected}})`,
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
      title: "Disk space",
      panels: [
        {
          kind: "lines",
          title: "Free disk space",
          description:
            "Free share of the disk with the stream's folder. With bun run up all data is on this disk. In containers, add a node exporter.",
          unit: "percentunit",
          queries: [
            { expr: `${metrics.diskFree.name} / ${metrics.diskSize.name}`, legend: "{{service}} {{instance}}" },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Database size",
          description: "Size of each database on disk.",
          unit: "bytes",
          queries: [{ expr: `max by (owner) (${metrics.databaseSize.name})`, legend: "{{owner}}" }],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Scrape duration",
          description: "Time in which each process responds to a scrape. A process that lacks CPU takes longer.",
          unit: "s",
          queries: [
            { expr: `max by (service) (${externalMetrics.scrapeSeconds}{${selected}})`, legend: "{{service}}" },
          ],
          width: 8,
          height: 8,
        },
      ],
    },
  ],
};
