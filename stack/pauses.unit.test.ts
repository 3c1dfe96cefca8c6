import { expect, test } from "bun:test";
import { isRestart, nextPauseMs, recentCrashes } from "./pauses.ts";

test("pauses double from 0.1 s to 10 s while a process keeps crashing", () => {
  const pauses: number[] = [];
  for (let pause = 0; pauses.length < 10; pauses.push(pause)) pause = nextPauseMs(pause, 50);
  expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
});

test("a process that ran for 30 s is started again at once when it crashes", () => {
  expect(nextPauseMs(10_000, 29_999)).toBe(10_000);
  expect(nextPauseMs(10_000, 30_000)).toBe(100);
});

test("a crash counts for a minute", () => {
  expect(recentCrashes([1_000, 30_000, 61_000], 61_000)).toEqual([30_000, 61_000]);
});

test("a process that ended in order was told to; one that does so at once, again and again, is a crash", () => {
  expect(isRestart(true, 1_000)).toBe(true);
  expect(isRestart(true, 999)).toBe(false);
  expect(isRestart(false, 60_000)).toBe(false);
});
