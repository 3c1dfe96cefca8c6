/** The pure parts of the live data: replay buffer, histogram, rates and activity. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { detectActivity } from "./activity.ts";
import { CounterRates } from "./counter-rates.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import { ReplayBuffer } from "./replay-buffer.ts";
import type { Snapshot } from "./snapshot.ts";

describe("the replay buffer", () => {
  test("returns the events after a number while all of them are kept", () => {
    const buffer = new ReplayBuffer(3);
    for (const event of ["a", "b", "c", "d", "e"]) buffer.push(event, null);
    expect(buffer.newest).toBe(5);
    expect(buffer.after(5)).toEqual([]);
    expect(buffer.after(3)!.map(({ event }) => event)).toEqual(["d", "e"]);
    expect(buffer.after(2)!.map(({ event }) => event)).toEqual(["c", "d", "e"]);
    expect(buffer.after(1)).toBeUndefined();
    expect(buffer.after(6)).toBeUndefined();
    expect(buffer.after(Number.NaN)).toBeUndefined();
  });

  test("returns nothing before the first event", () => {
    expect(new ReplayBuffer(3).after(0)).toEqual([]);
  });
});

describe("the latency histogram", () => {
  const at = 1_700_000_000_000;

  test("quantiles are exact to 2 % for any measurements", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 600_000 }), { minLength: 1, maxLength: 400 }), (values) => {
        const histogram = new LatencyHistogram();
        for (const value of values) histogram.observe(value, at);
        const sorted = values.toSorted((a, b) => a - b);
        const { count, p50, p99 } = histogram.window(30, at);
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

  test("a window excludes older seconds, also those that used the same slot two minutes before", () => {
    const histogram = new LatencyHistogram();
    histogram.observe(100, at);
    histogram.observe(10, at + 20_000);
    expect(histogram.window(30, at + 20_000)).toMatchObject({ count: 2 });
    expect(histogram.window(10, at + 20_000)).toMatchObject({ count: 1 });
    expect(histogram.window(30, at + 120_000)).toEqual({ count: 0, p50: null, p99: null });
    histogram.observe(10, at + 120_000);
    expect(histogram.window(30, at + 120_000)).toMatchObject({ count: 1 });
  });

  test("a series has each complete second, also those without measurements", () => {
    const histogram = new LatencyHistogram();
    histogram.observe(10, at - 2_000);
    histogram.observe(10, at);
    expect(histogram.series(3, at).map(({ count }) => count)).toEqual([0, 1, 0]);
  });
});

describe("counter rates", () => {
  test("are per second over the last samples, and never below zero", () => {
    const rates = new CounterRates();
    expect(rates.perSecond("a")).toBeNull();
    rates.addSample(new Map([["a", 100]]), 0);
    expect(rates.perSecond("a")).toBeNull();
    rates.addSample(new Map([["a", 150]]), 500);
    expect(rates.perSecond("a")).toBe(100);
    rates.addSample(new Map([["a", 0]]), 1_000);
    expect(rates.perSecond("a")).toBe(0);
    expect(rates.perSecond("b")).toBeNull();
  });
});

const healthy: Snapshot = {
  atMs: 1_000,
  services: [{ name: "catalog", instance: 1, url: "", version: "1", health: "ready", conditions: [], notes: {} }],
  outbox: { depth: 0, oldestAgeSeconds: 0 },
  topics: {},
  consumers: [{ name: "catalog", topic: "products.to.catalog", lag: 0, perSecond: 0 }],
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
  conditions: [],
};

describe("activity", () => {
  const activity = (before: Partial<Snapshot>, after: Partial<Snapshot>) =>
    detectActivity({ ...healthy, ...before }, { ...healthy, ...after }).map(({ kind, name, count }) => [
      kind,
      name,
      count,
    ]);
  const catalog = healthy.replicas.catalog!;
  const consumers = (lag: number) => [{ ...healthy.consumers![0]!, lag }];

  test("is empty while nothing changes", () => expect(activity({}, {})).toEqual([]));

  test.each([
    ["a pause", {}, { paused: { catalog: { at: "", reason: null } } }, ["paused", "catalog", null]],
    ["the end of a pause", { paused: { catalog: { at: "", reason: null } } }, {}, ["resumed", "catalog", null]],
    [
      "a process that is down",
      {},
      { services: [{ ...healthy.services![0]!, health: "down" }] },
      ["down", "catalog", null],
    ],
    [
      "a process that is ready again",
      { services: [{ ...healthy.services![0]!, health: "down" }] },
      {},
      ["ready", "catalog", null],
    ],
    ["falling behind", { consumers: consumers(49) }, { consumers: consumers(50) }, ["behind", "catalog", 50]],
    ["catching up", { consumers: consumers(50) }, { consumers: consumers(3) }, ["caught-up", "catalog", null]],
    [
      "a cache that is switched off",
      {},
      { replicas: { catalog: { ...catalog, cache: "unavailable" } } },
      ["cache-off", "catalog", null],
    ],
    [
      "a cache that is switched on",
      { replicas: { catalog: { ...catalog, cache: "off" } } },
      {},
      ["cache-on", "catalog", null],
    ],
    ["new dead letters", { deadLetters: 1 }, { deadLetters: 4 }, ["dead-letters-opened", null, 3]],
    ["resolved dead letters", { deadLetters: 4 }, { deadLetters: 1 }, ["dead-letters-closed", null, 3]],
    ["an unavailable log", {}, { consumers: null }, ["log-unavailable", null, null]],
    ["a source that is available again", { outbox: null }, {}, ["source-available", null, null]],
    ["a rebuild", {}, { rebuilds: [{ replica: "catalog", done: 0, total: 1 }] }, ["rebuild-started", "catalog", null]],
  ] as [string, Partial<Snapshot>, Partial<Snapshot>, (string | number | null)[]][])(
    "reports %s",
    (_, before, after, expected) => {
      expect(activity(before, after)).toEqual([expected]);
    },
  );

  test("reports the result of a verification once", () => {
    const result = { entity: "product", replica: "catalog", at: new Date(5), seconds: 1, rows: 9, behind: false };
    const differs = { verifications: [{ ...result, differing: { altered: 2 } }] };
    expect(activity({}, differs)).toEqual([["differs", "catalog", 2]]);
    expect(activity(differs, differs)).toEqual([]);
    expect(activity(differs, { verifications: [{ ...result, at: new Date(6), differing: {} }] })).toEqual([
      ["equal", "catalog", 0],
    ]);
  });

  test("does not compare what is unknown", () => {
    expect(activity({ services: null, paused: null, deadLetters: null }, {})).toEqual([]);
    expect(activity({}, { services: null, paused: null, deadLetters: null, verifications: null })).toEqual([]);
  });
});
