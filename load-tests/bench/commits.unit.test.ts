import { expect, test } from "bun:test";
import { type Commit, latencies, latestMs } from "./commits.ts";

const commit = (id: string, version: number, ms: number): Commit => ({ id, version, ms });
const window = { fromMs: 100, toMs: 200 };

test("latency is the time from the source's commit to the replica's commit of the same version", () => {
  const source = [commit("a", 1, 100), commit("b", 3, 150)];
  const replica = [commit("b", 3, 157.5), commit("a", 1, 104)];
  expect(latencies(source, replica, window)).toMatchObject({ count: 2, p50: 4, max: 7.5 });
});

test("missing entities, other versions and commits outside the window do not count", () => {
  const source = [
    commit("other-version", 2, 120),
    commit("filtered", 1, 120),
    commit("early", 1, 99),
    commit("late", 1, 201),
  ];
  const replica = [commit("other-version", 3, 125), commit("early", 1, 101), commit("late", 1, 202)];
  expect(latencies(source, replica, window).count).toBe(0);
});

test("latestMs returns the latest commit time, independent of the order", () => {
  expect(latestMs([commit("a", 1, 5), commit("b", 1, 9), commit("c", 1, 7)])).toBe(9);
  expect(latestMs([])).toBe(0);
});
