import { expect, test } from "bun:test";
import { exampleRun, KEPT, read } from "../tests/harness/chaos-run.ts";
import { judge } from "./checkers/index.ts";
import { summaryOf, verdictText } from "./report.ts";

const resultOf = (run: ReturnType<typeof exampleRun>) => ({ seed: 7, schedule: [], run, violations: judge(run) });
const REPEAT = "bun run chaos --seed 7";

test("a run in which every promise held is one line", () => {
  const result = resultOf(exampleRun());
  expect(verdictText(result, REPEAT)).toBe(
    "seed 7: all promises held; 0 faults, 6 writes (0 unknown), 12 reads; in step 0.5 s after the last fault",
  );
  expect(summaryOf(result)).toMatchObject({ verdict: "held", writes: 6, reads: 12, inStepMs: 500, violations: [] });
});

test("a counterexample has its sentence, its operations, the faults of that time, and the command", () => {
  const run = exampleRun();
  const stale = read({ id: KEPT, version: 1, start: 700, end: 710, from: "list" });
  const faults = [
    { fault: "kill", subject: "catalog", start: 400, end: 600 },
    { fault: "kill", subject: "redis", start: 5_000, end: 6_000 },
  ];
  const result = resultOf({ ...run, operations: [...run.operations, stale], faults });
  expect(verdictText(result, REPEAT).split("\n")).toEqual([
    "seed 7: 1 violation; 2 faults, 6 writes (0 unknown), 13 reads",
    `P3 (reads): catalog answered version 1 of ${KEPT} in a list to reader 1 at 0.7 s, after it had answered version 2 from the cache to reader 1 at 0.5 s`,
    `    0.5 to 0.5 s  reader 1: read of catalog (cache) of ${KEPT}: seen, version 2`,
    `    0.7 to 0.7 s  reader 1: read of catalog (list) of ${KEPT}: seen, version 1`,
    "    faults at that time: kill of catalog (0.4 to 0.6 s)",
    "repeat it: bun run chaos --seed 7",
  ]);
});

test("many violations are counted, and five of them shown", () => {
  const run = exampleRun();
  const stale = Array.from({ length: 7 }, (_, i) => read({ version: 1, start: 700 + i, end: 700 + i }));
  const lines = verdictText(resultOf({ ...run, operations: [...run.operations, ...stale] }), REPEAT).split("\n");
  expect(lines[0]).toStartWith("seed 7: 7 violations;");
  expect(lines.filter((line) => line.startsWith("P7"))).toHaveLength(5);
  expect(lines).toContain("… and 2 more");
});
