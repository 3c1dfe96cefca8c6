import { expect, test } from "bun:test";
import { countTests, provideRequirements, type Requirement, type TestFile } from "./requirements.ts";

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
  expect(run).rejects.toThrow("the tests cannot run without kafka: install Go");
});

test("the tests of a skipped file are counted by their calls of test()", () => {
  const text = `test("a", () => {});\n  test("b", () => {});\ntest.each([1, 2])("c", () => {});\n// test(\nlatest("d");\n`;
  expect(countTests(file("a", text))).toBe(3);
});
