import { expect, test } from "bun:test";
import { parseStat, processTree } from "./processes.ts";

// From Linux 6.1. Fields 14 to 17 are utime, stime, cutime and cstime.
const line =
  "4242 (post) gres: (x) S 17 4242 4242 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 5 6 7 18446744073709551615 1 1 0 0 0 0 0";

test("a process's time includes children that it waited for, and its name may contain any character", () => {
  expect(parseStat(line)).toEqual({ pid: 4242, parent: 17, ticks: 127 });
});

test("a process tree includes all descendants", () => {
  const stats = [
    { pid: 5, parent: 3, ticks: 0 },
    { pid: 1, parent: 0, ticks: 0 },
    { pid: 3, parent: 2, ticks: 0 },
    { pid: 2, parent: 1, ticks: 0 },
    { pid: 4, parent: 1, ticks: 0 },
  ];
  expect(processTree(2, stats).map(({ pid }) => pid)).toEqual([2, 3, 5]);
  expect(processTree(9, stats)).toEqual([]);
});
