import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { topicsOf } from "../contracts/topics.ts";
import { project } from "./project/index.ts";

const architecture = readFileSync(join(import.meta.dir, "../ARCHITECTURE.md"), "utf8");
const diagram = architecture.slice(
  architecture.indexOf("```text"),
  architecture.indexOf("```", architecture.indexOf("```text") + 3),
);

test("the diagram in ARCHITECTURE.md shows exactly the declared topics", () => {
  const declared = project.entities.flatMap((entity) =>
    topicsOf(entity).map(({ name }) =>
      entity.replicas.reduce((shown, replica) => shown.replace(`.to.${replica.name}`, ".to.<replica>"), name),
    ),
  );
  const shown = diagram.match(/\bproducts\.[a-z.<>-]+/g) ?? [];
  expect([...new Set(shown)].sort()).toEqual([...new Set(declared)].sort());
});

/** The stops of a write: `file` or `file:function`. */
const stops = [...architecture.matchAll(/^\d+\. `([\w./-]+\.(?:ts|sql))(?::([\w.]+))?`/gm)].map(([, file, name]) => ({
  file: file!,
  name,
}));

test("ARCHITECTURE.md traces one write through twelve functions that exist, in at most twelve files", () => {
  expect(stops.length).toBe(12);
  expect(new Set(stops.map(({ file }) => file)).size).toBeLessThanOrEqual(12);
  const missing = stops.filter(({ file, name }) => {
    const text = readFileSync(join(import.meta.dir, "..", file), "utf8");
    // A function, a method, or a function of PostgreSQL.
    const definition = new RegExp(`(function|^ {2}(private )?(async )?) ?${name?.replace(".", "\\.")}[(<]`, "m");
    return name !== undefined && !definition.test(text);
  });
  expect(missing).toEqual([]);
});
