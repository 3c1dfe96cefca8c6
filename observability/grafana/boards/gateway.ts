/** Gateway: what clients ask of it, how fast it answers, and how its changes leave. */
import { metrics } from "../../../contracts/metrics.ts";
import type { Board } from "../board.ts";
import { orZero, quantile, rateBy } from "../promql.ts";
import { outboxDepth, processPanels } from "./shared-panels.ts";

const http = metrics.httpRequests.name;
const asked = 'service="gateway",http_route!~"/metrics|/health/.*"';

export const gateway: Board = {
  slug: "gateway",
  title: "Gateway",
  description: "What clients ask of the gateway, how fast it answers, and how its changes leave.",
  variables: [],
  rows: [
    {
      title: "Requests",
      panels: [
        {
          kind: "stack",
          title: "Requests",
          description: "Requests a second by method and route.",
          unit: "reqps",
          queries: [
            {
              expr: rateBy("http_request_method, http_route", `${http}_count`, asked),
              legend: "{{http_request_method}} {{http_route}}",
            },
          ],
          width: 8,
          height: 9,
        },
        {
          kind: "lines",
          title: "Time to answer",
          description:
            "By method: of half of the requests, and of 99 of 100. Those that wait for replicas (Prefer: wait) are among them.",
          unit: "s",
          queries: [
            {
              expr: quantile(0.99, "http_request_method", http, asked),
              legend: "p99 {{http_request_method}}",
              exemplars: true,
            },
            { expr: quantile(0.5, "http_request_method", http, asked), legend: "p50 {{http_request_method}}" },
          ],
          width: 8,
          height: 9,
        },
        {
          kind: "lines",
          title: "Answers by status",
          description: "Answers a second by status.",
          unit: "reqps",
          queries: [
            {
              expr: rateBy("http_response_status_code", `${http}_count`, asked),
              legend: "{{http_response_status_code}}",
            },
          ],
          width: 8,
          height: 9,
        },
      ],
    },
    {
      title: "Promises",
      panels: [
        {
          kind: "stat",
          title: "Errors of its own",
          description: "Part of the answers that are 5xx.",
          unit: "percentunit",
          queries: [
            {
              expr: `(${rateBy("", `${http}_count`, `${asked},http_response_status_code=~"5.."`)} or vector(0)) / ${rateBy("", `${http}_count`, asked)}`,
              legend: "5xx",
            },
          ],
          thresholds: { warn: 0.01, bad: 0.05 },
          width: 8,
          height: 7,
        },
        {
          kind: "lines",
          title: "Writes that waited for replicas",
          description:
            "Prefer: wait. confirmed: the replica had it in time; behind: it had not, and the write stands all the same.",
          unit: "ops",
          queries: [
            { expr: orZero(rateBy("replica, outcome", metrics.confirmations.name)), legend: "{{replica}} {{outcome}}" },
          ],
          width: 8,
          height: 7,
        },
        {
          kind: "lines",
          title: "Receipts that were lost",
          description: "Receipts that the log did not take: who waited for one of these waited in vain.",
          unit: "ops",
          queries: [{ expr: orZero(rateBy("", metrics.receiptsDropped.name)), legend: "dropped" }],
          width: 8,
          height: 7,
        },
        {
          kind: "lines",
          title: "Not let in",
          description:
            "Requests without a token that allows them, at gateway and console, by reason; scope: a token of somebody who may not; keys: the issuer's were never there.",
          unit: "reqps",
          queries: [{ expr: orZero(rateBy("reason", metrics.authRefusals.name)), legend: "{{reason}}" }],
          width: 12,
          height: 7,
        },
        {
          kind: "lines",
          title: "Writes told again",
          description:
            "Writes that were repeated with their Idempotency-Key, and answered with what the first of them did. Many: clients that do not hear their answers.",
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
            "Changes a second that the log acknowledged; recovered: found there after a take-over, and so not sent again.",
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
          title: "Its database",
          description: "Bytes that the source's database takes on its server's disk.",
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
