/** docs/operate/chaos.md shows exactly the faults and checkers of the code. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkers } from "../chaos/checkers/index.ts";
import { faults } from "../chaos/faults/index.ts";

const page = readFileSync(join(import.meta.dir, "../docs/operate/chaos.md"), "utf8");

/** The rows of the table below a heading. */
function rowsBelow(heading: string): string[] {
  const section = page.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return section.split("\n").filter((line) => line.startsWith("| `"));
}

test("the page lists each fault with its duration and what happens", () => {
  expect(rowsBelow("Faults")).toEqual(
    faults.map(({ name, lastsMs: [min, max], summary, destroys }) => {
      const lasts = max === 0 ? "a moment" : `${min / 1000} to ${max / 1000} s`;
      return `| \`${name}\` | ${lasts} | ${summary}${destroys ? " Loses data." : ""} |`;
    }),
  );
});

test("the page lists each checker with what it proves and what it cannot see", () => {
  expect(rowsBelow("Checkers")).toEqual(
    checkers.map(
      ({ name, promises, proves, cannotSee }) => `| \`${name}\` | ${promises.join(", ")} | ${proves} | ${cannotSee} |`,
    ),
  );
});

test("each fault has a name of its own, in kebab-case, and a summary that is a sentence", () => {
  expect(new Set(faults.map(({ name }) => name)).size).toBe(faults.length);
  for (const { name, summary, lastsMs } of faults) {
    expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/);
    expect(summary).toMatch(/^[A-Z`].*\.$/);
    expect(lastsMs[0]).toBeLessThanOrEqual(lastsMs[1]);
  }
});
