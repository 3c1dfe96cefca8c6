/**
 * Dashboard "Load test": offered load, throughput per hop, and resource use, beside the load generator's own report.
 */
import { metrics } from "../../../contracts/metrics.ts";
import { externalMetrics } from "../../prometheus/external-metrics.ts";
import { GROUP_LAG } from "../../prometheus/recording.ts";
import type { Board } from "../board.ts";
import type { Panel } from "../panel.ts";
import { orZero, quantile, rateBy } from "../promql.ts";
import { commitToReadable, processPanels } from "./shared-panels.ts";

const http = metrics.httpRequests.name;
const api = 'http_route!~"/metrics|/health/.*|/api/.*"';

/** Metrics of k6, which `bun run load` sends to the stack's Prometheus. Without a load test they are 0. */
const generator: readonly Panel[] = [
  {
    kind: "lines",
    title: "Requests of k6",
    description: "Requests per second that k6 sends.",
    unit: "reqps",
    queries: [{ expr: orZero(rateBy("testid", externalMetrics.k6Requests)), legend: "{{testid}}" }],
    width: 6,
    height: 8,
  },
  {
    kind: "lines",
    title: "Response time at k6",
    description: "As k6 measures it, including the network.",
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
    description: "Share of k6's requests that failed.",
    unit: "percentunit",
    queries: [{ expr: orZero(`max by (testid) (${externalMetrics.k6Failed})`), legend: "{{testid}}" }],
    width: 6,
    height: 8,
  },
  {
    kind: "lines",
    title: "Sync latency at k6",
    description: "From the response to a write until a read of the replica returns it. k6 measures it by polling.",
    unit: "s",
    queries: [
      { expr: orZero(`max by (replica, store) (${externalMetrics.k6SyncP99})`), legend: "p99 {{replica}} {{store}}" },
      { expr: orZero(`max by (replica, store) (${externalMetrics.k6SyncP50})`), legend: "p50 {{replica}} {{store}}" },
    ],
    width: 6,
    height: 8,
  },
];

/** Panels for one load test. */
export const loadTest: Board = {
  slug: "load-test",
  title: "Load test",
  description: "Offered load, throughput at each hop, and resource use.",
  variables: [],
  rows: [
    {
      title: "Offered load",
      panels: [
        {
          kind: "stack",
          title: "Requests",
          description: "Requests per second, by service and method.",
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
          title: "Response time",
          description: "Median, 95th and 99th percentile by service, as the service measures it, without the network.",
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
          title: "Error responses",
          description: "Responses per second with a 4xx or 5xx status.",
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
      title: "Throughput",
      panels: [
        commitToReadable("", { width: 12, height: 9 }),
        {
          kind: "lines",
          title: "Changes by hop",
          description:
            "Changes per second at each hop. In a steady state the lines overlap. A gap between two lines shows where a backlog grows.",
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
          title: "Backlogs",
          description: "Changes that wait in the outbox, for the stream, and for each replica.",
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
    { title: "Load generator", panels: generator },
    { title: "Resource use", panels: processPanels('service!=""') },
  ],
};
