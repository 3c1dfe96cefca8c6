import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readReport } from "./junit.ts";
import { runInLanes } from "./run-in-lanes.ts";
import { type Group, inOrderOfRun, jobsOf } from "./test-jobs.ts";

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

test("the jobs of many files start before those of one file, and static checks and unit tests before all", () => {
  const job = (group: Group, ...files: string[]) => ({ group, name: files.join(), files, servers: false });
  const jobs = [
    job("e2e", "p11"),
    job("static"),
    job("unit", "a", "b"),
    job("int", "c", "d"),
    job("otel", "metrics"),
    job("fault", "e", "f"),
    job("fault", "drills"),
  ];
  expect(inOrderOfRun(jobs).map(({ group, name }) => `${group} ${name}`)).toEqual([
    "static ",
    "unit a,b",
    "int c,d",
    "fault e,f",
    "fault drills",
    "e2e p11",
    "otel metrics",
  ]);
});

test("each lane takes the next item when it has finished one, and each item runs once", async () => {
  const finish = new Map<number, () => void>();
  const lanes: [item: number, lane: number][] = [];
  const all = runInLanes([1, 2, 3, 4], 2, (n, lane) => {
    lanes.push([n, lane]);
    return new Promise((resolve) => finish.set(n, resolve));
  });
  const finishOne = async (n: number) => {
    finish.get(n)!();
    await Bun.sleep(0);
  };
  expect(lanes).toEqual([
    [1, 0],
    [2, 1],
  ]);
  await finishOne(2);
  await finishOne(3);
  expect(lanes.slice(2)).toEqual([
    [3, 1],
    [4, 1],
  ]);
  await finishOne(1);
  await finishOne(4);
  await all;
  expect(lanes).toHaveLength(4);
});

test("an error of one item is thrown", async () => {
  const work = (n: number) => (n === 2 ? Promise.reject(new Error("no space")) : Promise.resolve());
  await expect(runInLanes([1, 2, 3], 2, work)).rejects.toThrow("no space");
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
