/** docs/build/declarations.md equals what the docblocks say. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { declarationsPage } from "./harness/declarations-page.ts";

test("docs/build/declarations.md is what bun run declarations-page writes", () => {
  expect(readFileSync(join(import.meta.dir, "../docs/build/declarations.md"), "utf8")).toBe(declarationsPage());
});

test("each option of an entity and of a replica is described", () => {
  const page = declarationsPage();
  for (const option of ["private", "rules", "references", "truncate", "where", "pick", "derive", "mask", "onApplied"])
    expect(page).toMatch(new RegExp(`^\\| \`${option}\` \\| \\S.{10}`, "m"));
  expect(page).not.toContain("{@link");
});
