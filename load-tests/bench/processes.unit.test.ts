import { expect, test } from "bun:test";
import { parseMachineTime, parseStat, parseSwitches, processTree, switchesSince } from "./processes.ts";

// From Linux 6.1. Fields 14 to 17 are utime, stime, cutime and cstime.
const line =
  "4242 (post) gres: (x) S 17 4242 4242 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 5 6 7 18446744073709551615 1 1 0 0 0 0 0";

test("a process's own time and that of children it waited for are read apart, and its name may contain any character", () => {
  expect(parseStat(line)).toEqual({
    pid: 4242,
    parent: 17,
    own: { user: 100, system: 20 },
    children: { user: 3, system: 4 },
  });
});

test("a process tree includes all descendants", () => {
  const none = { user: 0, system: 0 };
  const parents = { 5: 3, 1: 0, 3: 2, 2: 1, 4: 1 };
  const stats = Object.entries(parents).map(([pid, parent]) => ({
    pid: Number(pid),
    parent,
    own: none,
    children: none,
  }));
  expect(processTree(2, stats).map(({ pid }) => pid)).toEqual([2, 3, 5]);
  expect(processTree(9, stats)).toEqual([]);
});

test("voluntary switches count by thread: a new thread counts from its start, and one that ended does not count", () => {
  expect(parseSwitches("Threads:\t4\nvoluntary_ctxt_switches:\t1234\nnonvoluntary_ctxt_switches:\t99\n")).toBe(1_234);
  expect(parseSwitches("")).toBe(0);
  const before = new Map([
    ["1", 100],
    ["2", 50],
  ]);
  const now = new Map([
    ["1", 130],
    ["3", 5],
  ]);
  expect(switchesSince(before, now)).toBe(35);
});

test("the machine's time is read without idle time, and steal is apart", () => {
  expect(parseMachineTime("cpu  1000 20 300 40000 50 6 70 800 9 10\ncpu0 1 2 3\n")).toEqual({
    busySeconds: 13.96,
    stealSeconds: 8,
  });
});
