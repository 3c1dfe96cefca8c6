/** The pure parts of what is told live. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { activityBetween } from "./activity.ts";
import { Rates } from "./counter-rates.ts";
import { Latencies } from "./latency-histogram.ts";
import { Ring } from "./replay-buffer.ts";
import type { Snapshot } from "./snapshot.ts";

describe("the ring of events", () => {
  test("gives what came after a number, as long as all of it is kept", () => {
    const ring = new Ring(3);
    for (const event of ["a", "b", "c", "d", "e"]) ring.push(event, null);
    expect(ring.newest).toBe(5);
    expect(ring.after(5)).toEqual([]);
    expect(ring.after(3)!.map(({ event }) => event)).toEqual(["d", "e"]);
    expect(ring.after(2)!.map(({ event }) => event)).toEqual(["c", "d", "e"]);
    expect(ring.after(1)).toBeUndefined();
    expect(ring.after(6)).toBeUndefined();
    expect(ring.after(Number.NaN)).toBeUndefined();
  });

  test("has nothing for a client that has seen nothing, before the first event", () => {
    expect(new Ring(3).after(0)).toEqual([]);
  });
});

describe("latencies", () => {
  const at = 1_700_000_000_000;

  test("quantiles are two percent exact, whatever is measured", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 600_000 }), { minLength: 1, maxLength: 400 }), (values) => {
        const latencies = new Latencies();
        for (const value of values) latencies.observe(value, at);
        const sorted = values.toSorted((a, b) => a - b);
        const { count, p50, p99 } = latencies.window(30, at);
        expect(count).toBe(values.length);
        for (const [share, found] of [
          [0.5, p50!],
          [0.99, p99!],
        ] as const) {
          const exact = sorted[Math.ceil(values.length * share) - 1]!;
          expect(Math.abs(found - exact)).toBeLessThanOrEqual(exact * 0.021 + 0.1);
        }
      }),
    );
  });

  test("what is longer ago than the window no longer counts, and a second is not mistaken for one of two minutes before", () => {
    const latencies = new Latencies();
    latencies.observe(100, at);
    latencies.observe(10, at + 20_000);
    expect(latencies.window(30, at + 20_000)).toMatchObject({ count: 2 });
    expect(latencies.window(10, at + 20_000)).toMatchObject({ count: 1 });
    expect(latencies.window(30, at + 120_000)).toEqual({ count: 0, p50: null, p99: null });
    latencies.observe(10, at + 120_000);
    expect(latencies.window(30, at + 120_000)).toMatchObject({ count: 1 });
  });

  test("a series has each whole second, with nothing where nothing was measured", () => {
    const latencies = new Latencies();
    latencies.observe(10, at - 2_000);
    latencies.observe(10, at);
    expect(latencies.series(3, at).map(({ count }) => count)).toEqual([0, 1, 0]);
  });
});

describe("rates", () => {
  test("are per second over the last looks, and never below zero", () => {
    const rates = new Rates();
    expect(rates.of("a")).toBeNull();
    rates.look(new Map([["a", 100]]), 0);
    expect(rates.of("a")).toBeNull();
    rates.look(new Map([["a", 150]]), 500);
    expect(rates.of("a")).toBe(100);
    rates.look(new Map([["a", 0]]), 1_000);
    expect(rates.of("a")).toBe(0);
    expect(rates.of("b")).toBeNull();
  });
});

const well: Snapshot = {
  atMs: 1_000,
  services: [{ name: "catalog", instance: 1, url: "", version: "1", health: "ready" }],
  outbox: { depth: 0, oldestAgeSeconds: 0 },
  topics: {},
  follows: [{ name: "catalog", topic: "products.to.catalog", lag: 0, perSecond: 0 }],
  paused: {},
  latency: { count: 0, p50: null, p99: null },
  lastSecond: { count: 0, p50: null, p99: null },
  replicas: {
    catalog: {
      postgres: { count: 0, p50: null, p99: null },
      redis: { count: 0, p50: null, p99: null },
      last: null,
      appliedPerSecond: 0,
      cache: "on",
    },
  },
  deadLetters: 0,
  verifications: [],
  rebuilds: [],
};

describe("happenings", () => {
  const told = (before: Partial<Snapshot>, after: Partial<Snapshot>) =>
    activityBetween({ ...well, ...before }, { ...well, ...after }).map(({ kind, name, count }) => [kind, name, count]);
  const catalog = well.replicas.catalog!;
  const follows = (lag: number) => [{ ...well.follows![0]!, lag }];

  test("nothing happens while nothing changes", () => expect(told({}, {})).toEqual([]));

  test.each([
    ["a pause", {}, { paused: { catalog: { at: "", reason: null } } }, ["paused", "catalog", null]],
    ["its end", { paused: { catalog: { at: "", reason: null } } }, {}, ["resumed", "catalog", null]],
    [
      "a process that is gone",
      {},
      { services: [{ ...well.services![0]!, health: "down" }] },
      ["down", "catalog", null],
    ],
    ["one that is back", { services: [{ ...well.services![0]!, health: "down" }] }, {}, ["ready", "catalog", null]],
    ["falling behind", { follows: follows(49) }, { follows: follows(50) }, ["behind", "catalog", 50]],
    ["catching up", { follows: follows(50) }, { follows: follows(3) }, ["caught-up", "catalog", null]],
    [
      "a cache that is off",
      {},
      { replicas: { catalog: { ...catalog, cache: "away" } } },
      ["cache-off", "catalog", null],
    ],
    ["one that is on", { replicas: { catalog: { ...catalog, cache: "off" } } }, {}, ["cache-on", "catalog", null]],
    ["dead letters", { deadLetters: 1 }, { deadLetters: 4 }, ["dead-letters-more", null, 3]],
    ["fewer of them", { deadLetters: 4 }, { deadLetters: 1 }, ["dead-letters-fewer", null, 3]],
    ["a log that is away", {}, { follows: null }, ["log-away", null, null]],
    ["a source that is back", { outbox: null }, {}, ["source-back", null, null]],
    ["a rebuild", {}, { rebuilds: [{ replica: "catalog", done: 0, total: 1 }] }, ["rebuilding", "catalog", null]],
  ] as [string, Partial<Snapshot>, Partial<Snapshot>, (string | number | null)[]][])(
    "tells %s",
    (_, before, after, expected) => {
      expect(told(before, after)).toEqual([expected]);
    },
  );

  test("tells what a verification found, once", () => {
    const one = { entity: "product", replica: "catalog", at: new Date(5), seconds: 1, rows: 9, behind: false };
    const differs = { verifications: [{ ...one, differing: { altered: 2 } }] };
    expect(told({}, differs)).toEqual([["differs", "catalog", 2]]);
    expect(told(differs, differs)).toEqual([]);
    expect(told(differs, { verifications: [{ ...one, at: new Date(6), differing: {} }] })).toEqual([
      ["equal", "catalog", 0],
    ]);
  });

  test("what is not known is no news", () => {
    expect(told({ services: null, paused: null, deadLetters: null }, {})).toEqual([]);
    expect(told({}, { services: null, paused: null, deadLetters: null, verifications: null })).toEqual([]);
  });
});
