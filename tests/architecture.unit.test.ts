import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { entities } from "../contracts/entities/index.ts";
import { topicsOf } from "../contracts/topics.ts";

const architecture = readFileSync(join(import.meta.dir, "../ARCHITECTURE.md"), "utf8");
const diagram = architecture.slice(
  architecture.indexOf("```text"),
  architecture.indexOf("```", architecture.indexOf("```text") + 3),
);

test("the diagram of ARCHITECTURE.md shows every topic, and no topic that is not declared", () => {
  const declared = entities.flatMap((entity) =>
    topicsOf(entity).map(({ name }) =>
      entity.replicas.reduce((shown, replica) => shown.replace(`.to.${replica.name}`, ".to.<replica>"), name),
    ),
  );
  const shown = diagram.match(/\bproducts\.[a-z.<>-]+/g) ?? [];
  expect([...new Set(shown)].sort()).toEqual([...new Set(declared)].sort());
});
