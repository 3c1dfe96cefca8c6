/** The mutants fit today's code: each guard's text occurs once, and the named tests exist. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mutate } from "./copy.ts";
import { mutants } from "./index.ts";

const root = join(import.meta.dirname, "../..");

test("each mutant has a name of its own, and can be planted in today's code", () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  for (const mutant of mutants) {
    const text = readFileSync(join(root, mutant.file), "utf8");
    expect(mutate(text, mutant)).not.toBe(text);
  }
});

test("the nearest tests of each mutant exist", () => {
  const missing = mutants.flatMap(({ tests }) => tests).filter((path) => !existsSync(join(root, path)));
  expect(missing).toEqual([]);
});

test("a guard that occurs twice, or not at all, is reported", () => {
  const mutant = { name: "example", file: "a.ts", from: "b", to: "" };
  expect(() => mutate("a b b", mutant)).toThrow("mutant example: its guard occurs 2 times in a.ts, not once");
  expect(() => mutate("a", mutant)).toThrow("0 times");
  expect(mutate("a b", mutant)).toBe("a ");
});
