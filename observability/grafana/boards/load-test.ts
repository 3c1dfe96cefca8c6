/** Load test: what is asked, what comes of it at each hop, and what it costs; on one page, to be read beside the generator's report. */
import { metrics } from "../../../contracts/metrics.ts";
import { externalMetrics } from "../../prometheus/external-metrics.ts";
import { GROUP_LAG } from "../../prometheus/recording.ts";
import type { Board } from "../board.ts";
import type { Panel } from "../panel.ts";
import { orZero, quantile, rateBy } from "../promql.ts";
import { commitToReadable, processPanels } from "./shared-panels.ts";

const http = metrics.httpRequests.name;
const api = 'http_route!~"/metrics|/health/.*|/api/.*"';

/** `bun run load` writes what k6 measures to the stack's Prometheus; without it all of this is 0. */
const generator: readonly Panel[] = [
  {
    kind: "lines",
    title: "Requests of the generator",
    description: "Requests a second that k6 makes.",
    unit: "reqps",
    queries: [{ expr: orZero(rateBy("testid", externalMetrics.k6Requests)), legend: "{{testid}}" }],
    width: 6,
    height: 8,
  },
  {
    kind: "lines",
    title: "Time to its answers",
    description: "As k6 measures it: the way to the service and back is in it.",
    unit: "s",
    queries: [
      { expr: orZero(`max by (testid) (${externalMetrics.k6P99})`), legend: "p99 {{testid}}" },
      { expr: orZero(`max by (testid) (${externalMetrics.k6P50})`), legend: "p50 {{testid}}" },
    ],
    width: 6,
    height: 8,
  },
  {
    kind: "lines",
    title: "Failed requests",
    description: "Part of k6's requests that failed.",
    unit: "percentunit",
    queries: [{ expr: orZero(`max by (testid) (${externalMetrics.k6Failed})`), legend: "{{testid}}" }],
    width: 6,
    height: 8,
  },
  {
    kind: "lines",
    title: "Sync latency as a client sees it",
    description:
      "From the write's answer until a read of the replica shows it, as k6 measures it by asking again and again.",
    unit: "s",
    queries: [
      { expr: orZero(`max by (replica, store) (${externalMetrics.k6SyncP99})`), legend: "p99 {{replica}} {{store}}" },
      { expr: orZero(`max by (replica, store) (${externalMetrics.k6SyncP50})`), legend: "p50 {{replica}} {{store}}" },
    ],
    width: 6,
    height: 8,
  },
];

export const loadTest: Board = {
  slug: "load-test",
  title: "Load test",
  description: "What is asked, what comes of it at each hop, and what it costs.",
  variables: [],
  rows: [
    {
      title: "Offered",
      panels: [
        {
          kind: "stack",
          title: "Requests",
          description: "Requests a second by service and method.",
          unit: "reqps",
          queries: [
            {
              expr: rateBy("service, http_request_method", `${http}_count`, api),
              legend: "{{service}} {{http_request_method}}",
            },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Time to answer",
          description:
            "By service: of half, of 95 and of 99 of 100 requests, as the service sees it, without the way to the client.",
          unit: "s",
          queries: [
            { expr: quantile(0.99, "service", http, api), legend: "p99 {{service}}" },
            { expr: quantile(0.95, "service", http, api), legend: "p95 {{service}}" },
            { expr: quantile(0.5, "service", http, api), legend: "p50 {{service}}" },
          ],
          width: 8,
          height: 8,
        },
        {
          kind: "lines",
          title: "Refused and failed",
          description: "Answers of 4xx and 5xx a second.",
          unit: "reqps",
          queries: [
            {
              expr: orZero(
                rateBy(
                  "service, http_response_status_code",
                  `${http}_count`,
                  `${api},http_response_status_code=~"[45].."`,
                ),
              ),
              legend: "{{service}} {{http_response_status_code}}",
            },
          ],
          width: 8,
          height: 8,
        },
      ],
    },
    {
      title: "What comes of it",
      panels: [
        commitToReadable("", { width: 12, height: 9 }),
        {
          kind: "lines",
          title: "Each hop",
          description:
            "Changes a second at each hop. In a lasting state all lines lie on each other; a step between two of them is where it piles up.",
          unit: "ops",
          queries: [
            { expr: rateBy("", metrics.relayPublished.name), legend: "1 published" },
            { expr: rateBy("", metrics.streamEvents.name), legend: "2 decided" },
            {
              expr: rateBy("replica", metrics.replicaApplied.name, 'outcome="applied"'),
              legend: "3 applied {{replica}}",
            },
          ],
          width: 12,
          height: 9,
        },
        {
          kind: "stack",
          title: "Piled up",
          description: "Changes that wait in the outbox, before the stream, and before each replica.",
          unit: "short",
          queries: [
            { expr: `max(${metrics.outboxDepth.name})`, legend: "outbox" },
            { expr: GROUP_LAG, legend: "{{group}}" },
          ],
          width: 24,
          height: 8,
        },
      ],
    },
    { title: "As the generator sees it", panels: generator },
    { title: "What it costs", panels: processPanels('service!=""') },
  ],
};
