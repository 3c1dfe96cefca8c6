/** Dashboard "Gateway": requests, response times, and the outbox. */
import { metrics } from "../../../contracts/metrics.ts";
import type { Board } from "../board.ts";
import { orZero, quantile, rateBy } from "../promql.ts";
import { outboxDepth, processPanels } from "./shared-panels.ts";

const http = metrics.httpRequests.name;
const apiRequests = 'service="gateway",http_route!~"/metrics|/health/.*"';

/** Panels for one or more instances of the gateway, and for the relay. */
export const gateway: Board = {
  slug: "gateway",
  title: "Gateway",
  description: "Requests to the gateway, its response times, and how changes leave the source.",
  variables: [],
  rows: [
    {
      title: "Requests",
      panels: [
        {
          kind: "stack",
          title: "Requests",
          description: "Requests per second, by method and route.",
          unit: "reqps",
          queries: [
            {
              expr: rateBy("http_request_method, http_route", `${http}_count`, apiRequests),
              legend: "{{http_request_method}} {{http_route}}",
            },
          ],
          width: 8,
          height: 9,
        },
        {
          kind: "lines",
          title: "Response time",
          description:
            "Median (p50) and 99th percentile (p99) by method, including requests that wait for replicas (Prefer: wait).",
          unit: "s",
          queries: [
            {
              expr: quantile(0.99, "http_request_method", http, apiRequests),
              legend: "p99 {{http_request_method}}",
              exemplars: true,
            },
            { expr: quantile(0.5, "http_request_method", http, apiRequests), legend: "p50 {{http_request_method}}" },
          ],
          width: 8,
          height: 9,
        },
        {
          kind: "lines",
          title: "Responses by status",
          description: "Responses per second, by status.",
          unit: "reqps",
          queries: [
            {
              expr: rateBy("http_response_status_code", `${http}_count`, apiRequests),
              legend: "{{http_response_status_code}}",
            },
          ],
          width: 8,
          height: 9,
        },
      ],
    },
    {
      title: "Reliability",
      panels: [
        {
          kind: "stat",
          title: "Server errors",
          description: "Share of responses with a 5xx status.",
          unit: "percentunit",
          queries: [
            {
              expr: `(${rateBy("", `${http}_count`, `${apiRequests},http_response_status_code=~"5.."`)} or vector(0)) / ${rateBy("", `${http}_count`, apiRequests)}`,
              legend: "5xx",
            },
          ],
          thresholds: { warning: 0.01, critical: 0.05 },
          width: 8,
          height: 7,
        },
        {
          kind: "lines",
          title: "Writes that wait for replicas",
          description:
            "Writes with Prefer: wait, by result. confirmed: the replica applied the write in time. behind: it did not; the write is committed in both cases.",
          unit: "ops",
          queries: [
            { expr: orZero(rateBy("replica, outcome", metrics.confirmations.name)), legend: "{{replica}} {{outcome}}" },
          ],
          width: 8,
          height: 7,
        },
        {
          kind: "lines",
          title: "Dropped receipts",
          description:
            "Receipts that could not be written to the log. A write that waits for one of them times out with behind.",
          unit: "ops",
          queries: [{ expr: orZero(rateBy("", metrics.receiptsDropped.name)), legend: "dropped" }],
          width: 8,
          height: 7,
        },
        {
          kind: "lines",
          title: "Rejected by authorization",
          description:
            "Requests to gateway and console without an acceptable token, by reason. scope: the token lacks the required scope. keys: the issuer's keys could not be fetched.",
          unit: "reqps",
          queries: [{ expr: orZero(rateBy("reason", metrics.authRefusals.name)), legend: "{{reason}}" }],
          width: 12,
          height: 7,
        },
        {
          kind: "lines",
          title: "Replayed writes",
          description:
            "Writes that a client repeated with the same Idempotency-Key, and that got the stored response. Many of them mean that clients lose responses.",
          unit: "ops",
          queries: [{ expr: orZero(rateBy("", metrics.replayedWrites.name)), legend: "replayed" }],
          width: 12,
          height: 7,
        },
      ],
    },
    {
      title: "Outbox and relay",
      panels: [
        outboxDepth({ width: 8, height: 7 }),
        {
          kind: "lines",
          title: "Published",
          description:
            "Changes per second. published: acknowledged by the log. recovered: already in the log after a failover of the relay, so not sent again.",
          unit: "ops",
          queries: [
            { expr: rateBy("", metrics.relayPublished.name), legend: "published" },
            { expr: rateBy("", metrics.relayRecovered.name), legend: "recovered" },
          ],
          width: 8,
          height: 7,
        },
        {
          kind: "lines",
          title: "Source database",
          description: "Size of the source's database on disk.",
          unit: "bytes",
          queries: [{ expr: `max(${metrics.databaseSize.name}{owner="gateway"})`, legend: "size" }],
          width: 8,
          height: 7,
        },
      ],
    },
    { title: "Processes", panels: processPanels('service=~"gateway|relay"') },
  ],
};
