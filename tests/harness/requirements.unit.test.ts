import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { countTests, provideRequirements, type Requirement, requirements, type TestFile } from "./requirements.ts";
import type { Group } from "./test-jobs.ts";

const file = (path: string, text = ""): TestFile => ({ group: "otel", path, text });
const requirement = (name: string, more: Partial<Requirement> = {}): Requirement => ({
  name,
  isNeededBy: ({ text }) => text.includes(name),
  isMandatory: false,
  provide: async () => {},
  ...more,
});
const missing = { provide: () => Promise.reject(new Error("install Go")) };

test("only needed requirements are provided, and a file whose requirement is missing is skipped with the reason", async () => {
  const lines: string[] = [];
  const files = [file("a", "jaeger"), file("b", "jaeger chromium"), file("c")];
  const provided: string[] = [];
  const skipped = await provideRequirements(files, (line) => lines.push(line), [
    requirement("jaeger", missing),
    requirement("chromium", { provide: async () => provided.push("chromium") }),
    requirement("docker", { provide: async () => provided.push("docker") }),
  ]);
  expect(skipped.map(({ file, reason }) => [file.path, reason])).toEqual([
    ["a", "jaeger: install Go"],
    ["b", "jaeger: install Go"],
  ]);
  expect(provided).toEqual(["chromium"]);
  expect(lines).toEqual([
    "== requirements (fetched once per machine)",
    "MISSING jaeger: install Go; skipped: a, b",
    "chromium: ready",
  ]);
});

test("a missing mandatory requirement ends the run and says what to install", async () => {
  const run = provideRequirements([file("a", "kafka")], () => {}, [
    requirement("kafka", { ...missing, isMandatory: true }),
  ]);
  await expect(run).rejects.toThrow("the tests cannot run without kafka: install Go");
});

test("the tests of a skipped file are counted by their calls of test()", () => {
  const text = `test("a", () => {});\n  test("b", () => {});\ntest.each([1, 2])("c", () => {});\n// test(\nlatest("d");\n`;
  expect(countTests(file("a", text))).toBe(3);
});

test("Jaeger and Prometheus are needed by the tests that start them, and by no other", () => {
  const root = join(import.meta.dirname, "../..");
  const files = [...new Bun.Glob("**/*.{unit,int,otel,e2e,fault}.test.ts").scanSync({ cwd: root })]
    .filter((path) => !path.startsWith("node_modules/"))
    .map((path) => ({ ...file(path, readFileSync(join(root, path), "utf8")), group: path.split(".").at(-3) as Group }));
  const neededBy = (name: string) =>
    files
      .filter(requirements.find((one) => one.name === name)!.isNeededBy)
      .map(({ path }) => path)
      .sort();
  expect(neededBy("Jaeger")).toEqual([
    "observability/metrics.otel.test.ts",
    "tests/observed.otel.test.ts",
    "tests/one-trace.otel.test.ts",
  ]);
  expect(neededBy("Prometheus")).toEqual([
    "observability/prometheus/rules.int.test.ts",
    "tests/conditions.fault.test.ts",
    "tests/observed.otel.test.ts",
  ]);
});
