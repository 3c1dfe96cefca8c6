import { expect, test } from "bun:test";
import { type Step, sustained } from "./steps.ts";

const step = (rate: number, other: Partial<Step> = {}): Step => ({
  rate,
  writesPerSecond: rate,
  p99Ms: 100,
  failedShare: 0,
  dropped: 0,
  ...other,
});
const never = (rate: number): Step => step(rate, { writesPerSecond: 0, p99Ms: 0 });

test("the sustainable rate is the last step before the first that broke, also when a later one looks good", () => {
  const { result, lines } = sustained([step(100), step(200), step(300, { p99Ms: 700 }), step(400)], 500);
  expect(result).toMatchObject({ sustainedWritesPerSecond: 200, brokeAt: 300 });
  expect(lines).toContain("  300 writes/s: p99 sync latency 700 ms");
  expect(lines.at(-1)).toBe("sustainable: 200 writes/s");
});

test.each([
  ["refusals", { failedShare: 0.002 }],
  ["writes that came late", { writesPerSecond: 295 }],
  ["latency", { p99Ms: 500 }],
])("%s break a step", (_, what) => {
  expect(sustained([step(300, what)], 500).result.sustainedWritesPerSecond).toBe(0);
});

test("steps that were never begun say nothing", () => {
  const { result, lines } = sustained([step(100), never(200), never(300)], 500);
  expect(result).toMatchObject({ sustainedWritesPerSecond: 100, brokeAt: null });
  expect(lines).toHaveLength(2);
  expect(lines.at(-1)).toContain("no step broke it");
});
