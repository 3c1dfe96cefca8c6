import { expect, test } from "bun:test";
import { seededRandom, seedOfRun } from "./random.ts";
import { planFaults, type SchedulableFault } from "./schedule.ts";

const faults: SchedulableFault[] = [
  { name: "kill", lastsMs: [0, 0], subjects: ["relay", "stream", "catalog"] },
  { name: "pause", lastsMs: [500, 3_000], subjects: ["relay", "stream", "redis"] },
  { name: "long", lastsMs: [12_000, 15_000], subjects: ["catalog"] },
  { name: "nowhere", lastsMs: [0, 0], subjects: [] },
];
const plan = (seed: number, ms = 60_000) => planFaults(seededRandom(String(seed)), ms, faults);

test("one seed gives one schedule, and seeds differ", () => {
  expect(plan(7)).toEqual(plan(7));
  expect(new Set(Array.from({ length: 100 }, (_, seed) => JSON.stringify(plan(seed)))).size).toBe(100);
});

test("of 1,000 seeds, each schedule has 3 to 8 faults that end in time and leave a held subject alone", () => {
  const counts = new Set<number>();
  for (let seed = 0; seed < 1_000; seed++) {
    const planned = plan(seed);
    counts.add(planned.length);
    expect(planned.length).toBeGreaterThanOrEqual(3);
    expect(planned.length).toBeLessThanOrEqual(8);
    expect(planned.map(({ start }) => start)).toEqual(planned.map(({ start }) => start).sort((a, b) => a - b));
    for (const { start, durationMs } of planned) {
      expect(start).toBeGreaterThanOrEqual(2_000);
      expect(start + durationMs).toBeLessThanOrEqual(59_000);
    }
    for (const [i, a] of planned.entries())
      for (const b of planned.slice(i + 1))
        if (a.subject === b.subject) expect(b.start).toBeGreaterThanOrEqual(a.start + a.durationMs + 3_000);
  }
  expect([...counts].sort()).toEqual([3, 4, 5, 6, 7, 8]);
});

test("a short run leaves out a fault that does not fit", () => {
  for (let seed = 0; seed < 100; seed++) {
    const planned = plan(seed, 12_000);
    expect(planned.map(({ fault }) => fault)).not.toContain("long");
    for (const { start, durationMs } of planned) expect(start + durationMs).toBeLessThanOrEqual(11_000);
  }
});

test("nothing is planned where no fault is possible", () => {
  expect(planFaults(seededRandom("1"), 60_000, [])).toEqual([]);
  expect(planFaults(seededRandom("1"), 3_000, faults.slice(1, 2))).toEqual([]);
});

test("runs of a seed have seeds of their own, the first its own", () => {
  const seeds = Array.from({ length: 200 }, (_, i) => seedOfRun(42, i + 1));
  expect(seeds[0]).toBe(42);
  expect(new Set(seeds).size).toBe(200);
  for (const seed of seeds) expect(Number.isSafeInteger(seed) && seed >= 0).toBe(true);
});

test("random choices stay in their range, and a fork is a sequence of its own", () => {
  const random = seededRandom("9");
  const drawn = Array.from({ length: 1_000 }, () => random.int(-1, 1));
  expect([...new Set(drawn)].sort()).toEqual([-1, 0, 1]);
  expect(() => random.pick([])).toThrow("there is nothing to choose from");
  expect(seededRandom("9").fork("a").int(0, 1e6)).toBe(seededRandom("9").fork("a").int(0, 1e6));
  expect(seededRandom("9").fork("a").int(0, 1e6)).not.toBe(seededRandom("9").fork("b").int(0, 1e6));
  const some = Array.from({ length: 1_000 }, () => random.chance(0.3)).filter(Boolean).length;
  expect(some).toBeGreaterThan(200);
  expect(some).toBeLessThan(400);
});
