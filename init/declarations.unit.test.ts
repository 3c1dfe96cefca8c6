import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { constantOf, declarationText, fileNameOf, pluralOf, withEntity, withReplica } from "./declarations.ts";

test("a name has its plural, its file and its constant", () => {
  expect(["customer", "category", "key", "box", "address"].map(pluralOf)).toEqual([
    ...["customers", "categories", "keys", "boxes", "addresses"],
  ]);
  expect([fileNameOf("orderLine"), constantOf("order-line")]).toEqual(["order-line", "orderLine"]);
});

test("a new entity is added to the project's list", () => {
  const text =
    'import { defineProject } from "lockstep";\n\nexport default defineProject({\n  entities: [task], // all\n});\n';
  expect(withEntity(text, "order-line", "entities/order-line.ts")).toBe(
    'import { defineProject } from "lockstep";\nimport { orderLine } from "./entities/order-line.ts";\n\nexport default defineProject({\n  entities: [task, orderLine], // all\n});\n',
  );
  expect(withEntity(text.replace("[task]", "[]"), "task", "entities/task.ts")).toContain("entities: [task],");
  expect(withEntity("export default defineProject({ entities });", "task", "x.ts")).toBeUndefined();
  expect(declarationText({ name: "task", plural: "tasks", replicas: ["board", "my-copy"] })).toContain(
    'replicas: { board: {}, "my-copy": {} },',
  );
});

test("a new replica is added behind the others of an entity", () => {
  const template = readFileSync(join(import.meta.dirname, "template/entities/task.ts"), "utf8");
  expect(withReplica(template, "task", "archive")).toContain(
    'replicas: { board: { where: ({ status }) => status === "open" }, archive: {} },',
  );
  expect(withReplica(template, "other", "archive")).toBeUndefined();
  const long = 'defineEntity(t, {\n  name: "a",\n  replicas: {\n    // One {\n    catalog: {},\n  },\n});\n';
  expect(withReplica(long, "a", "my-copy")).toBe(
    'defineEntity(t, {\n  name: "a",\n  replicas: {\n    // One {\n    catalog: {},\n    "my-copy": {},\n  },\n});\n',
  );
});
