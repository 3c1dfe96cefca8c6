import { expect, test } from "bun:test";
import { ReadPace } from "./read-pace.ts";

/** A pace after two seconds of rows at this rate, and the time of its last read. */
function paceAt(rowsPerSecond: number, readMs: number) {
  const pace = new ReadPace();
  let now = 10_000;
  for (let elapsed = 0; elapsed < 2_000; elapsed += readMs) {
    now += readMs;
    pace.recordRead((rowsPerSecond * readMs) / 1_000, now);
  }
  return { pace, now };
}

test("a lone row is read at once, and so are rows at low rates and the rows of one large transaction", () => {
  const pace = new ReadPace();
  expect(pace.gatherMs(0, 0)).toBe(0);
  pace.recordRead(0, 1_000);
  expect(pace.gatherMs(1_000, 1_000)).toBe(0);
  pace.recordRead(10, 1_001);
  expect(pace.isFast).toBe(false);
  expect(pace.gatherMs(1_002, 1_002)).toBe(0);
  for (const rate of [1, 50, 100]) {
    const { pace, now } = paceAt(rate, 1_000 / rate);
    expect([rate, pace.isFast, pace.isSlow, pace.gatherMs(now + 5, now + 5)]).toEqual([rate, false, true, 0]);
  }
});

test("at 200 rows per second a row waits for the next one, and not for the one after that", () => {
  const { pace, now } = paceAt(200, 10);
  const waitMs = pace.gatherMs(now, now);
  expect(waitMs).toBeGreaterThan(5);
  expect(waitMs).toBeLessThan(10);
  expect(pace.gatherMs(now, now + 5)).toBe(0);
  // The row came during the last round, which took long.
  expect(pace.gatherMs(now - 20, now)).toBe(0);
  expect([pace.isFast, pace.isSlow]).toEqual([false, true]);
});

test("of two successive reads at most one waits", () => {
  const { pace, now } = paceAt(200, 10);
  const waited: boolean[] = [];
  for (let i = 0, at = now; i < 6; i++, at += 10) {
    waited.push(pace.gatherMs(at, at) > 0);
    pace.recordRead(2, at + 5);
  }
  expect(waited).toEqual([true, false, true, false, true, false]);
});

test("a relay with many rows is awake, and reads at an interval", () => {
  const { pace, now } = paceAt(1_000, 10);
  expect([pace.isFast, pace.isSlow]).toEqual([true, false]);
  const waitMs = pace.awakeMs(now);
  expect(waitMs).toBeGreaterThan(0);
  expect(pace.awakeMs(now + waitMs / 2)).toBe(waitMs / 2);
  expect(pace.awakeMs(now + 100)).toBe(0);
  pace.recordRead(0, now + 2_000);
  expect(pace.isSlow).toBe(true);
});
