/** Which requests the console accepts, and from which origins. */
import { expect, test } from "bun:test";
import type { Hono } from "hono";
import { createLogger } from "../../../observability/logger.ts";
import { createMetrics } from "../../../observability/metrics.ts";
import { serviceApp } from "../../../platform/http/service-app.ts";
import { guardChanges, isKnownHost, isSameOrigin, requireKnownHost } from "./guard.ts";

test.each([
  "localhost",
  "localhost:8085",
  "a.localhost:1",
  "127.0.0.1:8085",
  "192.168.1.7",
  "[::1]:8085",
  "Lockstep.Intern:8085",
])("accepts the host %s", (host) => expect(isKnownHost(host, ["lockstep.intern"])).toBe(true));

test.each([
  undefined,
  "",
  "evil.example",
  "evil.example:8085",
  "127.0.0.1.evil.example",
  "localhost.evil.example",
  "[evil]",
  ":80",
])("rejects the host %s", (host) => expect(isKnownHost(host, ["lockstep.intern"])).toBe(false));

test("accepts changes from its own page and from clients that are not browsers", () => {
  const host = "localhost:8085";
  expect(isSameOrigin({ site: "same-origin", origin: "http://localhost:8085", host })).toBe(true);
  expect(isSameOrigin({ site: "same-origin", origin: "https://localhost:8085", host })).toBe(true);
  expect(isSameOrigin({ site: undefined, origin: undefined, host })).toBe(true);
});

test.each([
  ["cross-site", "https://evil.example"],
  ["same-site", "http://localhost:8080"],
  ["none", undefined],
  [undefined, "https://evil.example"],
  [undefined, "null"],
  ["same-origin", "http://localhost:8086"],
])("rejects changes with Sec-Fetch-Site %s and Origin %s", (site, origin) => {
  expect(isSameOrigin({ site, origin, host: "localhost:8085" })).toBe(false);
});

const guardedApp = (allowed: boolean): Hono => {
  const app = serviceApp({
    checks: [],
    metrics: createMetrics("test", "1"),
    logger: createLogger("test", "1", "silent"),
  });
  app.use("/api/*", requireKnownHost([]));
  app.on("POST", "/api/*", guardChanges(allowed));
  app.get("/api/thing", (c) => c.text("read"));
  app.post("/api/thing", (c) => c.text("changed"));
  return app;
};
const status = async (app: Hono, method: string, headers: Record<string, string> = {}) =>
  (await app.request("/api/thing", { method, headers: { host: "localhost", ...headers } })).status;

test("reads need a known host; changes also need the permission and the same origin", async () => {
  const operationsOn = guardedApp(true);
  expect(await status(operationsOn, "GET")).toBe(200);
  expect(await status(operationsOn, "GET", { host: "evil.example" })).toBe(403);
  expect(await status(operationsOn, "POST")).toBe(200);
  expect(await status(operationsOn, "POST", { host: "evil.example" })).toBe(403);
  expect(await status(operationsOn, "POST", { "sec-fetch-site": "cross-site" })).toBe(403);
  expect(await status(operationsOn, "POST", { origin: "https://evil.example" })).toBe(403);
  const operationsOff = guardedApp(false);
  expect(await status(operationsOff, "GET")).toBe(200);
  expect(await status(operationsOff, "POST")).toBe(403);
});

test("a refusal says what is not allowed, and what to do", async () => {
  const detail = async (allowed: boolean, headers: Record<string, string>) => {
    const response = await guardedApp(allowed).request("/api/thing", { method: "POST", headers });
    return ((await response.json()) as { detail: string }).detail;
  };
  expect(await detail(true, { host: "evil.example" })).toBe(
    "The console does not know this host name; add it to LOCKSTEP_CONSOLE_HOSTS, or use an address or localhost.",
  );
  expect(await detail(true, { host: "localhost", "sec-fetch-site": "cross-site" })).toBe(
    "The request comes from another site; send it from the console's own page.",
  );
  expect(await detail(false, { host: "localhost" })).toBe(
    "Operations are switched off; set LOCKSTEP_CONSOLE_OPERATIONS=true to allow them.",
  );
});

test("health checks are answered under every host name", async () => {
  const response = await guardedApp(false).request("/health/live", { headers: { host: "console:8080" } });
  expect(response.status).toBe(200);
});
