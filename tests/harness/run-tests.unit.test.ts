import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readReport } from "./junit.ts";
import { runInLanes } from "./run-in-lanes.ts";
import { type Group, jobsOf } from "./test-jobs.ts";

test("a file with its own stack runs in its own process, all others of its group in one", () => {
  const files = (group: Group) => [
    { group, path: "a", text: "await sharedStack()" },
    { group, path: "b", text: "await using stack = await Stack.start({})" },
    { group, path: "c", text: "pure" },
  ];
  const jobs = jobsOf("e2e", files("e2e"));
  expect(jobs.map(({ files, servers }) => [files, servers])).toEqual([
    [["a", "c"], false],
    [["b"], false],
  ]);
  expect(jobsOf("int", files("int").slice(1, 2)).map(({ servers }) => servers)).toEqual([true]);
  expect(jobsOf("ui", files("e2e"))).toEqual([]);
});

test("two lanes start at both ends of the list, and a single lane runs it in order", async () => {
  const started: number[] = [];
  const work = async (n: number) => {
    started.push(n);
    await Bun.sleep(1);
  };
  await runInLanes([1, 2, 3, 4, 5], 2, work);
  expect(started.slice(0, 2)).toEqual([1, 5]);
  expect(started.toSorted()).toEqual([1, 2, 3, 4, 5]);
  started.length = 0;
  await runInLanes([1, 2, 3], 1, work);
  expect(started).toEqual([1, 2, 3]);
});

test("a report contains counts, seconds by file, and the first line of each failure", () => {
  const report = readReport(`<testsuites name="bun test" tests="4" assertions="9" failures="1" skipped="1" time="3.2">
    <testsuite name="x.unit.test.ts" file="x.unit.test.ts" tests="4" time="2.5">
      <testsuite name="inner" file="x.unit.test.ts" line="2" time="1.5">
        <testcase name="is &quot;good&quot;" classname="inner" time="0.1" file="x.unit.test.ts" line="3" assertions="1" />
        <testcase name="is bad" classname="inner" time="0.1" file="x.unit.test.ts" line="4">
          <failure type="AssertionError" message="expected &lt;1&gt;&#10;more">text</failure>
        </testcase>
      </testsuite>
    </testsuite>
  </testsuites>`);
  expect(report).toEqual({
    passed: 2,
    failed: 1,
    skipped: 1,
    files: new Map([["x.unit.test.ts", 2.5]]),
    failures: ["x.unit.test.ts: is bad: expected <1>"],
  });
  expect(readReport("")).toMatchObject({ passed: 0, failed: 0, failures: [] });
});

test("`bun test FILE` gives each test the time limit of its group, in the first file and in all others", () => {
  const folder = mkdtempSync(join(tmpdir(), "lockstep-limits-"));
  try {
    const slow =
      'import { test } from "bun:test";\ntest("slow", () => new Promise((done) => setTimeout(done, 300)));\n';
    const files = ["a.int.test.ts", "b.unit.test.ts", "c.fault.test.ts", "of-no-group.test.ts"];
    for (const file of files) writeFileSync(join(folder, file), slow);
    // 100 ms stand for Bun's own limit of 5 s.
    const { stderr } = Bun.spawnSync(
      [process.execPath, "test", "--timeout=100", ...files.map((file) => join(folder, file))],
      { cwd: join(import.meta.dir, "../..") },
    );
    const verdicts = [...stderr.toString().matchAll(/^(.*)\.test\.ts:\n\((pass|fail)\)/gm)];
    expect(verdicts.map(([, file, verdict]) => [file!.split("/").at(-1), verdict])).toEqual([
      ["a.int", "pass"],
      ["b.unit", "pass"],
      ["c.fault", "pass"],
      ["of-no-group", "fail"],
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
