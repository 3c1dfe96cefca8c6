/** How other processes see a service, by what it answers. */
import { afterAll, expect, test } from "bun:test";
import { conditions } from "../../contracts/conditions.ts";
import { readReadiness } from "./read-readiness.ts";

let answer = new Response();
const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => answer });
afterAll(() => server.stop(true));
const url = `http://127.0.0.1:${server.port}`;

const check = (condition: string, problem: string | null, more: object = {}) => ({
  condition,
  problem,
  blocksReadiness: false,
  ...more,
});
const answers = (status: number, ...checks: object[]) => {
  answer = Response.json({ version: "1.2.3", checks }, { status });
  return readReadiness(url);
};

test("the conditions that are present are reported with their remedy, and notes beside them", async () => {
  const since = "2026-01-02T03:04:05.678Z";
  const found = await answers(
    200,
    check("dead-letters-open", "2 open", { since, remedy: "its own remedy" }),
    check("cache-off", "off", { note: "since a flush" }),
    check("log-unavailable", null, { note: null }),
  );
  expect(found).toEqual({
    health: "ready",
    version: "1.2.3",
    notes: { "cache-off": "since a flush" },
    conditions: [
      { condition: "dead-letters-open", problem: "2 open", blocksReadiness: false, since, remedy: "its own remedy" },
      { condition: "cache-off", problem: "off", blocksReadiness: false, remedy: conditions["cache-off"].remedy },
    ],
  });
});

test("a service that is not ready gives the conditions that block it as its reason", async () => {
  const found = await answers(
    503,
    check("dead-letters-open", "2 open"),
    check("database-unavailable", "no answer", { blocksReadiness: true }),
    check("log-unavailable", "no broker", { blocksReadiness: true }),
  );
  expect(found).toMatchObject({
    health: "not ready",
    reason: "database-unavailable: no answer; log-unavailable: no broker",
  });
});

test("conditions and bodies of another version, or of a proxy, are no conditions", async () => {
  expect(await answers(200, check("of-the-future", "a problem", { note: "x" }))).toMatchObject({
    health: "ready",
    conditions: [],
    notes: {},
  });
  for (const [body, reason] of [
    ["<h1>Bad Gateway</h1>", "<h1>Bad Gateway</h1>"],
    ['{"checks":7}', '{"checks":7}'],
    ["", "status 502"],
  ]) {
    answer = new Response(body, { status: 502 });
    expect(await readReadiness(url)).toMatchObject({ health: "not ready", reason, conditions: [], notes: {} });
  }
});

test("a service that does not respond is down", async () => {
  expect(await readReadiness("http://127.0.0.1:9")).toMatchObject({ health: "down", version: null, conditions: [] });
});
