/** What the console refuses, with its status and its text, before it reaches a server. */
import { expect, test } from "bun:test";
import { createLogger } from "../../../observability/logger.ts";
import { createMetrics } from "../../../observability/metrics.ts";
import { serviceApp } from "../../../platform/http/service-app.ts";
import { project } from "../../../tests/project/index.ts";
import { JobRunner } from "../actions/jobs.ts";
import { EventHub } from "../live/event-hub.ts";
import { addEvents } from "./events.ts";
import { addOperations, type OperationDeps } from "./operations.ts";
import { addWrites, type WriteDeps } from "./writes.ts";

const id = "01890000-0000-7000-8000-000000000001";
const app = serviceApp({
  checks: [],
  metrics: createMetrics("test", "1"),
  logger: createLogger("test", "1", "silent"),
});
const jobs = new JobRunner(() => {});
const running = Promise.withResolvers<null>();
jobs.start("verify", null, () => running.promise);
const connections = { addresses: { redis: undefined, replicas: new Map() } };
addOperations(app, {
  ...{ connections, project, jobs, stackData: undefined, loadRebuild: async () => ({}), onAction: () => {} },
} as unknown as OperationDeps);
addWrites(app, { connections, project, tracer: {} } as unknown as WriteDeps);
const noClients = { maxClients: 0, maxUnreadBytes: 1, heartbeatMs: 1_000 };
addEvents(app, new EventHub(() => ({}), { onFirstConnected: () => {}, onLastDisconnected: () => {} }, noClients));

test.each<[string, Record<string, unknown>, number, string]>([
  ["redis", { action: "clear" }, 503, "No Redis is configured; set REDIS_URL."],
  [
    "kill",
    { name: "relay" },
    503,
    "Only processes that bun run up started can be killed here; start the stack with bun run up.",
  ],
  ["jobs", { kind: "rebuild" }, 400, "A rebuild needs a replica: catalog or storefront."],
  [
    "jobs",
    { kind: "rebuild", replica: "catalog" },
    503,
    "The database of catalog is not configured; add it to LOCKSTEP_REPLICA_DATABASE_URLS.",
  ],
  ["jobs", { kind: "verify" }, 409, "A verify is already running; wait until it ends, or stop it."],
  ["jobs/stop", { number: 7 }, 404, "No job 7 is running."],
  [
    "writes",
    { entity: "products", operation: "create", id },
    400,
    "A create must have no id; a change or delete needs one.",
  ],
  [
    "writes",
    { entity: "products", operation: "delete" },
    400,
    "A create must have no id; a change or delete needs one.",
  ],
  ["writes", { entity: "orders", operation: "create" }, 404, "No entity orders is declared; declared are products."],
])("%s with %j gets %i: %s", async (path, body, status, detail) => {
  const response = await app.request(`/api/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  expect([response.status, ((await response.json()) as { detail: string }).detail]).toEqual([status, detail]);
});

test("a page beyond the limit gets 503 with the reason", async () => {
  const response = await app.request("/api/events");
  expect([response.status, ((await response.json()) as { detail: string }).detail]).toEqual([
    503,
    "The console has too many open pages; close one, or try again later.",
  ]);
});
