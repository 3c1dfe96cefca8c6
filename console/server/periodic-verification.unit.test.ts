/** Verification that goes on by itself: when it is due, and what it tells. */
import { expect, test } from "bun:test";
import { isDue } from "./periodic-verification.ts";

const now = Date.parse("2026-01-02T03:04:05Z");
const ago = (seconds: number) => ({ at: new Date(now - seconds * 1_000) });

test("a verification is due when none was made, or the oldest is old enough; never when it is switched off", () => {
  expect(isDue([], now, 600)).toBe(true);
  expect(isDue([ago(599), ago(1)], now, 600)).toBe(false);
  expect(isDue([ago(600), ago(1)], now, 600)).toBe(true);
  expect(isDue([], now, 0)).toBe(false);
  expect(isDue([ago(100_000)], now, 0)).toBe(false);
});
