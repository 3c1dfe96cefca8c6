/** When a periodic verification is due. */
import { expect, test } from "bun:test";
import { isDue } from "./periodic-verification.ts";

const now = Date.parse("2026-01-02T03:04:05Z");
const verifiedBefore = (seconds: number) => ({ at: new Date(now - seconds * 1_000) });

test("a verification is due without a result or when the oldest is old enough, and never when switched off", () => {
  expect(isDue([], now, 600)).toBe(true);
  expect(isDue([verifiedBefore(599), verifiedBefore(1)], now, 600)).toBe(false);
  expect(isDue([verifiedBefore(600), verifiedBefore(1)], now, 600)).toBe(true);
  expect(isDue([], now, 0)).toBe(false);
  expect(isDue([verifiedBefore(100_000)], now, 0)).toBe(false);
});
