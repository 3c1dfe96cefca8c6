import { expect, test } from "bun:test";
import { findSustainedRate, type Step } from "./steps.ts";

const step = (rate: number, overrides: Partial<Step> = {}): Step => ({
  rate,
  writesPerSecond: rate,
  p99Ms: 100,
  failedShare: 0,
  dropped: 0,
  ...overrides,
});
const notStarted = (rate: number): Step => step(rate, { writesPerSecond: 0, p99Ms: 0 });

test("the sustained rate is the last step before the first broken one, even when a later step is good", () => {
  const { result, lines } = findSustainedRate([step(100), step(200), step(300, { p99Ms: 700 }), step(400)], 500);
  expect(result).toMatchObject({ sustainedWritesPerSecond: 200, brokeAt: 300 });
  expect(lines).toContain("  300 writes/s: p99 sync latency 700 ms");
  expect(lines.at(-1)).toBe("sustainable: 200 writes/s");
});

test.each([
  ["failed requests", { failedShare: 0.002 }],
  ["late writes", { writesPerSecond: 295 }],
  ["high latency", { p99Ms: 500 }],
])("a step with %s is not sustained", (_, what) => {
  expect(findSustainedRate([step(300, what)], 500).result.sustainedWritesPerSecond).toBe(0);
});

test("steps that never started do not count", () => {
  const { result, lines } = findSustainedRate([step(100), notStarted(200), notStarted(300)], 500);
  expect(result).toMatchObject({ sustainedWritesPerSecond: 100, brokeAt: null });
  expect(lines).toHaveLength(2);
  expect(lines.at(-1)).toContain("no step broke it");
});
