import { expect, test } from "bun:test";
import { LogCheck } from "./health.ts";

test("P14: the stream is not ready before the log is connected, and while no broker answers", () => {
  const check = new LogCheck();
  expect(check.problem()).toBe("the log is not connected yet");
  let ageMs = 10_000;
  check.attach({ fetchAgeMs: () => ageMs });
  expect(check.problem()).toBeUndefined();
  ageMs = 10_001;
  expect(check.problem()).toBe("no broker has answered for 10001 ms");
});
