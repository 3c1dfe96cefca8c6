/** Infrastructure: the processes and the room they have. */
import { metrics } from "../../../contracts/metrics.ts";
import { foreign } from "../../prometheus/foreign.ts";
import type { Board } from "../board.ts";
import { processPanels } from "./parts.ts";

const chosen = 'service=~"$service"';

export const infrastructure: Board = {
  slug: "infrastructure",
  title: "Infrastructure",
  description: "The processes, what they use, and the room they have.",
  variables: [{ name: "service", label: "Service", metric: foreign.processCpu, many: true }],
  rows: [
    {
      title: "Processes",
      panels: [
        {
          kind: "stat",
          title: "Answering",
          description: "Processes of each service that answer Prometheus.",
          unit: "short",
          queries: [{ expr: `sum by (service) (${foreign.up}{${chosen}})`, legend: "{{service}}" }],
          limits: { warn: 1, bad: 1 },
          lessIsWorse: true,
          width: 12,
          height: 6,
        },
        {
          kind: "stat",
          title: "Running since",
          description: "Time since each process started.",
          unit: "dtdurations",
          queries: [{ expr: `time() - min by (service) (${foreign.processStart}{${chosen}})`, legend: "{{service}}" }],
          width: 12,
          height: 6,
        },
        ...processPanels(chosen),
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
          queries: [{ expr: `max by (service) (${foreign.scrapeSeconds}{${chosen}})`, legend: "{{service}}" }],
          width: 8,
          height: 8,
        },
      ],
    },
  ],
};
