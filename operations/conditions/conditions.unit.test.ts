/** The pure parts of the conditions: what follows from what was read. */
import { describe, expect, test } from "bun:test";
import type { ConditionName } from "../../contracts/conditions.ts";
import { project } from "../../tests/project/index.ts";
import type { Connections } from "../connect.ts";
import { statusText } from "../status/command.ts";
import type { ConsumerLag } from "../status/consumer-lag.ts";
import type { ServiceHealth } from "../status/service-health.ts";
import { statusOf } from "../status/status.ts";
import type { LastVerification } from "../verify/results.ts";
import { activeCondition, mergeConditions } from "./active-condition.ts";
import { BoundedReader } from "./bounded-reader.ts";
import { ConditionReader } from "./condition-reader.ts";
import { conditionsOfConsumers, conditionsOfTopics } from "./from-log.ts";
import { conditionsOfServices } from "./from-services.ts";
import { conditionsOfOutbox, conditionsOfSource } from "./from-source.ts";
import { conditionsOfVerifications } from "./from-verifications.ts";
import { ProgressWatch } from "./progress-watch.ts";

const names = (list: readonly { condition: string; where: string }[]) =>
  list.map(({ condition, where }) => `${condition} ${where}`);

describe("services", () => {
  const service = (name: string, more: Partial<ServiceHealth> = {}): ServiceHealth => ({
    ...{ name, instance: 1, url: "", version: "1", health: "ready", conditions: [], notes: {} },
    ...more,
  });
  const all = ["gateway", "relay", "stream", ...project.replicaNames].map((name) => service(name));
  const reported = (condition: ConditionName, blocksReadiness = false) => ({
    ...{ condition, blocksReadiness, problem: "because", remedy: "do this", since: "2026-01-01T00:00:00.000Z" },
  });

  test("a complete system of ready services has no condition", () => {
    expect(conditionsOfServices(all, project)).toEqual([]);
  });

  test("a ready service that reports a condition is listed with problem, time and remedy", () => {
    const conditions = [reported("cache-off")];
    expect(conditionsOfServices([...all, service("catalog", { instance: 2, conditions })], project)).toEqual([
      {
        ...{ condition: "cache-off", severity: "ticket", where: "catalog 2", problem: "because" },
        ...{ since: "2026-01-01T00:00:00.000Z", remedy: "do this" },
      },
    ]);
  });

  test("a service that is down, or not ready for an unknown reason, is listed", () => {
    const down = service("relay", { instance: 2, health: "down", reason: "connection refused" });
    const unclear = service("stream", { instance: 2, health: "not ready", reason: "status 503" });
    const explained = service("catalog", {
      instance: 2,
      health: "not ready",
      conditions: [reported("table-rejects", true)],
    });
    expect(names(conditionsOfServices([...all, down, unclear, explained], project))).toEqual([
      "service-down relay 2",
      "service-down stream 2",
      "table-rejects catalog 2",
    ]);
  });

  test("a service whose address is not known is unknown, never well", () => {
    const found = conditionsOfServices(
      all.filter(({ name }) => name !== "stream"),
      project,
    );
    expect(names(found)).toEqual(["status-unknown stream"]);
    expect(names(conditionsOfServices([], project))).toHaveLength(all.length);
  });

  test("the console's view of other parts is not listed a second time", () => {
    const conditions = [reported("dead-letters-open"), reported("signing-keys-unavailable", true)];
    const found = conditionsOfServices([...all, service("console", { conditions })], project);
    expect(names(found)).toEqual(["signing-keys-unavailable console"]);
  });
});

describe("source and verifications", () => {
  test("an old change in the outbox, set-aside rows, capture and a read-only source are conditions", () => {
    const nowMs = Date.parse("2026-01-01T00:01:00Z");
    expect(conditionsOfOutbox({ depth: 3, oldestAgeSeconds: 9 }, nowMs)).toEqual([]);
    expect(conditionsOfOutbox({ depth: 3, oldestAgeSeconds: 40 }, nowMs)).toMatchObject([
      { condition: "outbox-stalled", since: "2026-01-01T00:00:20.000Z" },
    ]);
    const capture = [{ relation: "public.products", problem: "has a disabled trigger", remedy: "capture it again" }];
    const [setAside, lostEvents] = [
      { count: 2, since: new Date(nowMs) },
      { ranges: ["products.events/3 from offset 17 to 20"], since: new Date(nowMs) },
    ];
    expect(names(conditionsOfSource({ readOnly: true, setAside, lostEvents, capture }))).toEqual([
      "source-read-only source",
      "rows-set-aside relay",
      "events-lost relay",
      "capture-incomplete public.products",
    ]);
    const nothing = { setAside: { count: 0, since: null }, lostEvents: { ranges: [], since: null }, capture: [] };
    expect(conditionsOfSource({ readOnly: false, ...nothing })).toEqual([]);
  });

  const nowMs = Date.parse("2026-01-02T00:00:00Z");
  const results = project.entities.flatMap(({ name: entity, replicas }) =>
    replicas.map(({ name: replica }): LastVerification => {
      const at = new Date(nowMs - 100_000);
      return { entity, replica, at, seconds: 1, rows: 1, differing: {}, behind: false };
    }),
  );

  test("equal and recent verifications are no condition", () => {
    expect(conditionsOfVerifications(results, project, 900, nowMs)).toEqual([]);
  });

  test("a replica without a result, with differences, an old result or one while it was behind is a condition", () => {
    const [first, ...others] = results;
    expect(names(conditionsOfVerifications(others, project, 900, nowMs))).toEqual([`not-verified ${first!.replica}`]);
    const changed = (more: Partial<LastVerification>) => [{ ...first!, ...more }, ...others];
    expect(conditionsOfVerifications(changed({ differing: { stale: 2 } }), project, 900, nowMs)).toMatchObject([
      { condition: "replica-differs", where: first!.replica, problem: `${first!.entity}: 2 stale` },
    ]);
    expect(names(conditionsOfVerifications(changed({ behind: true }), project, 900, nowMs))).toEqual([
      `not-verified ${first!.replica}`,
    ]);
    const old = changed({ at: new Date(nowMs - 2_701_000) });
    expect(names(conditionsOfVerifications(old, project, 900, nowMs))).toEqual([
      `verification-stale ${first!.replica}`,
    ]);
    expect(conditionsOfVerifications(old, project, 0, nowMs)).toEqual([]);
  });
});

describe("log", () => {
  const lag = (position: number, end: number, paused: ConsumerLag["paused"] = null): ConsumerLag => {
    const records = Math.max(0, end - position);
    const partitions = [{ partition: 0, position, end, lag: records }];
    return { name: "catalog", group: "g", topic: "products.to.catalog", paused, lag: records, partitions };
  };
  const paused = { paused: true, at: "2026-01-01T00:00:00.000Z", reason: "index" };

  test("a missing topic, a pause and a log that ends before a position are conditions", () => {
    expect(names(conditionsOfTopics(["products.events", "products.to.catalog"], project))).toEqual([
      "events-lost products.events",
      "records-lost products.to.catalog",
    ]);
    expect(conditionsOfConsumers([lag(5, 9)])).toEqual([]);
    expect(names(conditionsOfConsumers([lag(9, 5)]))).toEqual(["log-incomplete catalog"]);
    expect(conditionsOfConsumers([lag(5, 9, paused)])).toMatchObject([
      { condition: "paused", since: paused.at, remedy: "run lockstep resume catalog" },
    ]);
  });

  test("a partition is stalled after ten seconds with unread records and the same position, until it moves", () => {
    const watch = new ProgressWatch();
    const found = [
      [lag(5, 9), 0],
      [lag(5, 12), 9_000],
      [lag(5, 12), 10_000],
      [lag(6, 12), 12_000],
      [lag(6, 12), 21_000],
      [lag(12, 12), 23_000],
      [lag(12, 12), 40_000],
    ] as const;
    expect(found.map(([state, nowMs]) => watch.observe([state], nowMs).length)).toEqual([0, 0, 1, 0, 0, 0, 0]);
  });

  test("a paused consumer is not stalled, and neither is one that was not observed in between", () => {
    const watch = new ProgressWatch();
    expect(watch.observe([lag(5, 9, paused)], 0)).toEqual([]);
    expect(watch.observe([lag(5, 9, paused)], 20_000)).toEqual([]);
    expect(watch.observe([lag(5, 9)], 25_000)).toEqual([]);
    expect(watch.observe([lag(5, 9)], 80_000)).toEqual([]);
    expect(watch.isWaiting).toBe(false);
    watch.observe([lag(5, 9)], 81_000);
    expect(watch.isWaiting).toBe(true);
  });
});

describe("reading", () => {
  const part = { name: "the outbox", where: "source", unavailable: "source-unavailable" } as const;

  test("a part that hangs is read in bounded time, and not read twice at a time", async () => {
    const reader = new BoundedReader(20);
    const hanging = Promise.withResolvers<number>();
    let started = 0;
    const work = () => {
      started++;
      return hanging.promise;
    };
    expect((await reader.read(part, work)).failure).toMatchObject({ condition: "source-unavailable", where: "source" });
    expect((await reader.read(part, work)).failure).toBeDefined();
    expect(started).toBe(1);
    hanging.resolve(7);
    expect(await reader.read(part, work)).toEqual({ value: 7 });
    expect(await reader.read(part, async () => 8)).toEqual({ value: 8 });
  });

  test("an error that is no outage makes the part unknown, with its reason", async () => {
    const reader = new BoundedReader(1_000);
    const denied = await reader.read(part, () => {
      throw Object.assign(new Error("permission denied for table outbox"), { code: "42501" });
    });
    expect(denied.failure).toMatchObject({ condition: "status-unknown", where: "source" });
    expect(denied.failure?.problem).toBe("the outbox could not be read: permission denied for table outbox");
    const down = await reader.read(part, () =>
      Promise.reject(Object.assign(new Error("refused"), { code: "ECONNREFUSED" })),
    );
    expect(down.failure?.condition).toBe("source-unavailable");
  });

  test("conditions are merged: pages first, each once for each place, with the time that one of them knows", () => {
    const own = activeCondition("log-unavailable", "catalog", "own words");
    const other = activeCondition("log-unavailable", "catalog", "other words", "2026-01-01T00:00:00.000Z");
    const ticket = activeCondition("paused", "stream", "paused");
    expect(mergeConditions([ticket, own], [other])).toEqual([{ ...own, since: other.since }, ticket]);
  });

  test("several problems of one place are all listed", () => {
    const since = ["2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"] as const;
    const products = activeCondition("replica-differs", "catalog", "product: 2 stale", since[1]);
    const orders = activeCondition("replica-differs", "catalog", "order: 1 missing", since[0], "look");
    expect(mergeConditions([products, orders, products])).toEqual([
      {
        ...products,
        problem: "product: 2 stale; order: 1 missing",
        since: since[0],
        remedy: `${products.remedy}; look`,
      },
    ]);
  });

  test("a status in which a part is unknown says so, and never that no problems were found", () => {
    const unknown = activeCondition("status-unknown", "brokers", "the dead letters could not be read");
    const state = { services: [], outbox: null, consumers: null, deadLetters: null, verifications: null, notes: [] };
    const status = statusOf({ ...state, conditions: [unknown], seen: [unknown] });
    expect(status.ok).toBe(false);
    expect(statusText(status)).toContain("! status-unknown (brokers): the dead letters could not be read");
    expect(statusText(status)).not.toContain("no problems found");
    expect(statusText(status)).toContain("outbox: unknown    open dead letters: unknown");
    expect(statusText(statusOf({ ...state, conditions: [], seen: [] }))).toContain("no problems found");
  });
});

test("the database is asked every time whether it responds, and its catalogs are read every three seconds", async () => {
  const statements: string[] = [];
  const rows = [
    { read_only: false, set_aside: false, lost_events: false, capture_problems: true, depth: "0", age: null },
  ];
  const statement = async (text: string) => {
    statements.push(text);
    return rows;
  };
  const sql = Object.assign((texts: readonly string[]) => statement(texts.join("?")), { unsafe: statement });
  const connections = {
    addresses: { services: [] },
    source: () => sql,
    replica: () => sql,
    log: () => Promise.reject(new Error("no brokers")),
  };
  const options = { timeoutMs: 1_000, verifyEverySeconds: 0 };
  const reader = new ConditionReader(connections as unknown as Connections, project, options);
  for (let read = 0; read < 3; read++) await reader.read();
  const count = (text: string) => statements.filter((each) => each.includes(text)).length;
  const replicas = project.replicaNames.length;
  expect(statements.filter((text) => text === "select")).toHaveLength(3 * replicas);
  expect(count("from lockstep.outbox")).toBe(3);
  expect(count("lockstep.capture_problems(\n")).toBe(1);
  expect(count("as read_only")).toBe(1 + replicas);
});
