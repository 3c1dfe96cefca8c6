/** docs/promises.md is complete, and every reference to a promise in the repository resolves to a section of it. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");
const page = readFileSync(join(root, "docs/promises.md"), "utf8");
const sections = page.split(/^## (?=P\d)/m).slice(1);
const numberOf = (section: string): number => Number(/^P(\d+) /.exec(section)?.[1]);
/** P50, P90, P95 and P99 are percentiles, not promises. */
const PERCENTILES = [50, 90, 95, 99];
const numbers = sections.map(numberOf);

test("the page has the promises P1 to P14 in order, each with bounds, means, cost and tests", () => {
  expect(numbers).toEqual(Array.from({ length: 14 }, (_, i) => i + 1));
  for (const section of sections)
    for (const part of ["- **Bounds.**", "- **How.**", "- **Cost.**", "- **Tests.**"]) expect(section).toContain(part);
});

test("each promise has a file or folder of tests of its own, and the page links to a test that names it", () => {
  const testNumbers = readdirSync(import.meta.dir).map((name) => Number(/^p(\d\d)-/.exec(name)?.[1]));
  for (const section of sections) {
    const n = numberOf(section);
    expect([n, testNumbers.includes(n)]).toEqual([n, true]);
    const linked = [...section.matchAll(/\]\(([^)#]+\.test\.ts)\)/g)].map(([, path]) => join(root, "docs", path!));
    expect(linked.filter((path) => !existsSync(path))).toEqual([]);
    const naming = linked.filter((path) => new RegExp(`\\bP${n}\\b`).test(readFileSync(path, "utf8")));
    expect([n, naming.length > 0]).toEqual([n, true]);
  }
});

test("every promise that code or documentation refers to is on the page", () => {
  const files = [...new Bun.Glob("**/*.{ts,js,sql,lua,md,yaml}").scanSync({ cwd: root })];
  const sources = files.filter((path) => !path.includes("node_modules/"));
  expect(sources.length).toBeGreaterThan(500);
  const unknown = sources.flatMap((path) =>
    [...readFileSync(join(root, path), "utf8").matchAll(/(?<![\w-])P(\d{1,2})(?![\w.-])/g)]
      .filter(([, n]) => !numbers.includes(Number(n)) && !PERCENTILES.includes(Number(n)))
      .map(([reference]) => `${path}: ${reference}`),
  );
  expect(unknown).toEqual([]);
});
