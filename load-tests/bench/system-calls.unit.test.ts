import { expect, test } from "bun:test";
import { parsePerfCount } from "./system-calls.ts";

test("the count of perf stat is read; an idle process has none, and an event that is not available is unknown", () => {
  expect(parsePerfCount("22718,,raw_syscalls:sys_enter,194094168,100.00,,\n")).toBe(22_718);
  expect(parsePerfCount("\n<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n")).toBe(0);
  expect(parsePerfCount("<not supported>,,raw_syscalls:sys_enter,0,100.00,,\n")).toBeUndefined();
  expect(parsePerfCount("event syntax error: 'raw_syscalls:sys_enter'\n")).toBeUndefined();
});
