import { expect, test } from "bun:test";
import { healthOf } from "./health.ts";
import { type ServiceStatus, statusText } from "./status.ts";

const service: ServiceStatus = {
  name: "catalog",
  kind: "replica",
  instance: 1,
  pid: 1,
  url: "http://127.0.0.1:1",
  health: "ready",
  restarts: 0,
  crashes: 0,
};
const PASSWORD = "s3cret@pass";
const database: ServiceStatus = { ...service, name: "gateway-db", kind: "postgres" };
const textOf = (ready: boolean, services: readonly ServiceStatus[]) =>
  statusText({ ready, supervisor: { pid: 1 }, services }, ".lockstep").split("\n");

test("a ready stack without conditions is ready", () => {
  expect(textOf(true, [service]).at(-1)).toBe("ready");
});

test("ready is not printed beside a condition without its name, time, problem and remedy", () => {
  const since = "2026-01-01T00:00:00.000Z";
  const paused = { condition: "paused", blocksReadiness: false, problem: "for a\nmigration", since, remedy: "resume" };
  const lines = textOf(true, [{ ...service, conditions: [{ ...paused, condition: "paused" as const }] }]);
  expect(lines.at(-1)).toBe("ready, with conditions: paused");
  expect(lines.at(-2)).toBe(`catalog 1: paused since ${since}: for a migration; resume`);
});

test("the health of a service has the conditions that it reports, also while it is ready", async () => {
  let ready = true;
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () =>
      Response.json(
        {
          checks: [
            { condition: "log-unavailable", problem: null, blocksReadiness: true },
            { condition: "cache-off", problem: "unavailable", blocksReadiness: false },
            { condition: "a-newer-condition", problem: "unknown here", blocksReadiness: false },
            { condition: "database-unavailable", problem: ready ? null : "no response", blocksReadiness: true },
          ],
        },
        { status: ready ? 200 : 503 },
      ),
  });
  const url = `http://127.0.0.1:${server.port}`;
  const conditions = [{ condition: "cache-off", problem: "unavailable" }];
  expect(await healthOf("replica", url)).toMatchObject({ health: "ready", conditions });
  ready = false;
  expect(await healthOf("replica", url)).toMatchObject({
    health: "not ready",
    reason: "database-unavailable: no response",
    conditions: [...conditions, { condition: "database-unavailable" }],
  });
});

test.each([
  [`postgres://owner:${PASSWORD}@127.0.0.1:8090/lockstep`, "postgres://owner:***@127.0.0.1:8090/lockstep"],
  [`redis://:${PASSWORD}@127.0.0.1:8091`, "redis://:***@127.0.0.1:8091"],
  [`postgres://127.0.0.1/lockstep?user=a&password=${PASSWORD}`, "postgres://127.0.0.1/lockstep?user=a&password=***"],
])("status masks the password of %s", (url, masked) => {
  const text = textOf(true, [{ ...database, url }]).join("\n");
  expect(text).toContain(masked);
  expect(text).not.toContain("s3cret");
});

test("status masks a password in the reason of a problem and in a condition, too", () => {
  const reason = `cannot connect to postgres://owner:${PASSWORD}@127.0.0.1:8090/lockstep`;
  const condition = { condition: "database-unavailable", blocksReadiness: true, problem: reason, remedy: "x" } as const;
  const failing = { ...database, health: "not ready", reason, conditions: [condition] } as const;
  expect(textOf(false, [failing]).join("\n")).not.toContain("s3cret");
});

test("status shows passwords with showSecrets, and leaves URLs without a password as they are", () => {
  const url = `postgres://owner:${PASSWORD}@127.0.0.1:8090/lockstep`;
  const status = { ready: true, supervisor: { pid: 1 }, services: [{ ...database, url }] };
  expect(statusText(status, ".lockstep", true)).toContain(url);
  expect(textOf(true, [service]).join("\n")).toContain(service.url);
});
