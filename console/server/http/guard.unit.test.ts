/** Who may ask, and who may change something. */
import { expect, test } from "bun:test";
import type { Hono } from "hono";
import { createLogger } from "../../../observability/logger.ts";
import { createMetrics } from "../../../observability/metrics.ts";
import { serviceApp } from "../../../platform/http/service-app.ts";
import { changesOnly, isOwnHost, isSameSite, ownHostOnly } from "./guard.ts";

test.each([
  "localhost",
  "localhost:8085",
  "a.localhost:1",
  "127.0.0.1:8085",
  "192.168.1.7",
  "[::1]:8085",
  "Lockstep.Intern:8085",
])("answers under %s", (host) => expect(isOwnHost(host, ["lockstep.intern"])).toBe(true));

test.each([
  undefined,
  "",
  "evil.example",
  "evil.example:8085",
  "127.0.0.1.evil.example",
  "localhost.evil.example",
  "[evil]",
  ":80",
])("does not answer under %s", (host) => expect(isOwnHost(host, ["lockstep.intern"])).toBe(false));

test("takes changes from its own page, and from what is no browser", () => {
  const host = "localhost:8085";
  expect(isSameSite({ site: "same-origin", origin: "http://localhost:8085", host })).toBe(true);
  expect(isSameSite({ site: "same-origin", origin: "https://localhost:8085", host })).toBe(true);
  expect(isSameSite({ site: undefined, origin: undefined, host })).toBe(true);
});

test.each([
  ["cross-site", "https://evil.example"],
  ["same-site", "http://localhost:8080"],
  ["none", undefined],
  [undefined, "https://evil.example"],
  [undefined, "null"],
  ["same-origin", "http://localhost:8086"],
])("takes none with %s and %s", (site, origin) => {
  expect(isSameSite({ site, origin, host: "localhost:8085" })).toBe(false);
});

const guarded = (allowed: boolean): Hono => {
  const app = serviceApp({
    checks: [],
    metrics: createMetrics("test", "1"),
    logger: createLogger("test", "1", "silent"),
  });
  app.use("/api/*", ownHostOnly([]));
  app.on("POST", "/api/*", changesOnly(allowed));
  app.get("/api/thing", (c) => c.text("read"));
  app.post("/api/thing", (c) => c.text("changed"));
  return app;
};
const status = async (app: Hono, method: string, headers: Record<string, string> = {}) =>
  (await app.request("/api/thing", { method, headers: { host: "localhost", ...headers } })).status;

test("reads need a host that is ours; changes need to be allowed, too, and to come from here", async () => {
  const open = guarded(true);
  expect(await status(open, "GET")).toBe(200);
  expect(await status(open, "GET", { host: "evil.example" })).toBe(403);
  expect(await status(open, "POST")).toBe(200);
  expect(await status(open, "POST", { host: "evil.example" })).toBe(403);
  expect(await status(open, "POST", { "sec-fetch-site": "cross-site" })).toBe(403);
  expect(await status(open, "POST", { origin: "https://evil.example" })).toBe(403);
  const closed = guarded(false);
  expect(await status(closed, "GET")).toBe(200);
  expect(await status(closed, "POST")).toBe(403);
});

test("health and metrics are asked for by names of all kinds", async () => {
  const answer = await guarded(false).request("/health/live", { headers: { host: "console:8080" } });
  expect(answer.status).toBe(200);
});
