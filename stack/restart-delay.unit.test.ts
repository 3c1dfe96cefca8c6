import { expect, test } from "bun:test";
import { isRequestedRestart, nextDelayMs, recentCrashes } from "./restart-delay.ts";

test("delays double from 0.1 s to 10 s while a process keeps crashing", () => {
  const delays: number[] = [];
  for (let delay = 0; delays.length < 10; delays.push(delay)) delay = nextDelayMs(delay, 50);
  expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
});

test("after 30 s of running the next delay is the shortest again", () => {
  expect(nextDelayMs(10_000, 29_999)).toBe(10_000);
  expect(nextDelayMs(10_000, 30_000)).toBe(100);
});

test("a crash is forgotten after a minute", () => {
  expect(recentCrashes([1_000, 30_000, 61_000], 61_000)).toEqual([30_000, 61_000]);
});

test("a clean exit is a requested restart, unless the process ran for less than a second", () => {
  expect(isRequestedRestart(true, 1_000)).toBe(true);
  expect(isRequestedRestart(true, 999)).toBe(false);
  expect(isRequestedRestart(false, 60_000)).toBe(false);
});
