import { expect, test } from "bun:test";
import type { Fault } from "./fault.ts";
import { playSchedule } from "./inject.ts";
import { seededRandom } from "./random.ts";
import type { System } from "./system.ts";

const system = { kind: "own" } as System;

/** A fault that records what happens to it. */
const fault = (name: string, events: string[], changes: Partial<Fault> = {}): Fault => ({
  name,
  summary: "",
  lastsMs: [0, 0],
  subjects: () => ["it"],
  inject: async () => {
    events.push(`${name} begins`);
    return async () => void events.push(`${name} ends`);
  },
  ...changes,
});

function play(faults: Fault[], durations: number[], signal = new AbortController().signal) {
  const printed: string[] = [];
  const startedAt = performance.now();
  const schedule = faults.map(({ name }, i) => ({ fault: name, subject: "it", start: i, durationMs: durations[i]! }));
  const random = seededRandom("1");
  const now = () => performance.now() - startedAt;
  const print = (line: string) => void printed.push(line);
  return { printed, played: playSchedule(schedule, { system, faults, random, ids: () => [], now, print, signal }) };
}

test("faults begin at their time, last, end, and are printed", async () => {
  const events: string[] = [];
  const { printed, played } = play([fault("a", events), fault("b", events)], [20, 0]);
  const { faults } = await played;
  expect(events).toEqual(["a begins", "b begins", "b ends", "a ends"]);
  expect(faults.map(({ fault: name }) => name)).toEqual(["a", "b"]);
  expect(printed).toEqual(["a of it begins, for 0.0 s", "b of it", "b of it has ended", "a of it has ended"]);
});

test("an abort ends all active faults at once, also one that is under way, and causes no further one", async () => {
  const events: string[] = [];
  const abort = new AbortController();
  const slow = Promise.withResolvers<void>();
  const underWay = fault("under way", events, {
    inject: async () => {
      await slow.promise;
      return async () => void events.push("under way ends");
    },
  });
  const started = Promise.withResolvers<void>();
  const long = fault("long", events, {
    inject: async () => {
      started.resolve();
      return async () => void events.push("long ends");
    },
  });
  const later = { ...fault("later", events) };
  const schedule = [
    { fault: "under way", subject: "it", start: 0, durationMs: 60_000 },
    { fault: "long", subject: "it", start: 0, durationMs: 60_000 },
    { fault: "later", subject: "it", start: 60_000, durationMs: 0 },
  ];
  const played = playSchedule(schedule, {
    ...{ system, faults: [underWay, long, later], random: seededRandom("1"), ids: () => [], now: () => 0 },
    ...{ print: () => {}, signal: abort.signal },
  });
  await started.promise;
  abort.abort();
  slow.resolve();
  const { faults } = await played;
  expect(events.sort()).toEqual(["long ends", "under way ends"]);
  expect(faults).toHaveLength(2);
});

test("a fault that is not possible is printed and does not count", async () => {
  const impossible = fault("impossible", [], { inject: () => Promise.reject(new Error("it does not run")) });
  const { printed, played } = play([impossible], [0]);
  expect((await played).faults).toEqual([]);
  expect(printed).toEqual(["impossible of it was not possible: it does not run"]);
});

test("a fault that cannot be ended fails the run, after all others have ended", async () => {
  const events: string[] = [];
  const stuck = fault("stuck", events, { inject: async () => () => Promise.reject(new Error("it stays down")) });
  const { played } = play([stuck, fault("other", events)], [0, 20]);
  await expect(played).rejects.toThrow("it stays down");
  expect(events).toEqual(["other begins", "other ends"]);
});
