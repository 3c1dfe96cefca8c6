import { expect, test } from "bun:test";
import { LagTrend } from "./lag-trend.ts";

function trendOf(lagAt: (ms: number) => number | undefined, untilMs: number): LagTrend {
  const trend = new LagTrend({ minLag: 10_000, minGrowth: 1_000 });
  for (let ms = 0; ms <= untilMs; ms += 1_000) trend.sample(ms, lagAt(ms));
  return trend;
}

test("a lag grows when it is above ten seconds and rose during the last ten", () => {
  expect(trendOf((ms) => 5_000 + ms, 9_000).growth()).toBeUndefined(); // not long enough
  expect(trendOf((ms) => 5_000 + ms, 30_000).growth()).toEqual({ from: 25_000, to: 35_000, ms: 10_000 });
  expect(trendOf((ms) => ms / 4, 30_000).growth()).toBeUndefined(); // too short
  expect(trendOf((ms) => 60_000 - ms, 30_000).growth()).toBeUndefined(); // catches up
  expect(trendOf(() => 60_000, 30_000).growth()).toBeUndefined();
});

test("a pause or an unknown lag ends the trend", () => {
  expect(trendOf((ms) => (ms === 25_000 ? undefined : 5_000 + ms), 30_000).growth()).toBeUndefined();
});
