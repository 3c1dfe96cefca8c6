import { expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inputSchema, patchSchema } from "../../contracts/entity/schemas.ts";
import { defineProject } from "../../contracts/project.ts";
import { product, project } from "../../tests/project/index.ts";
import { k6Workload } from "../load/k6-workload.ts";
import { randomFrom } from "./random.ts";
import { rowStatements } from "./statements.ts";
import { workloadOf } from "./workload.ts";

const random = randomFrom(3);

test("without a file, documents and changes come from the first entity with a usable example", async () => {
  const { entity, input, change, bulk } = await workloadOf(project);
  expect(entity).toBe(project.entities[0]!);
  for (let i = 0; i < 100; i++) {
    const document = inputSchema(entity).parse(input(`bench-${i}`, random));
    expect(document.sku).toContain(`bench-${i}`);
    expect(patchSchema(entity).safeParse(change(random)).error).toBeUndefined();
  }
  expect(new Set(Array.from({ length: 20 }, () => JSON.stringify(change(random)))).size).toBeGreaterThan(10);
  expect(Object.keys(bulk())).toEqual(["insert", "update", "remove"]);
});

test("the file of a project takes the place of the example", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lockstep-workload-"));
  writeFileSync(
    join(folder, "workload.ts"),
    'export const entity = "product";\nexport const change = () => ({ stock: 7 });\n',
  );
  const workload = await workloadOf({ ...project, folder });
  expect(workload.change(random)).toEqual({ stock: 7 });
  expect(workload.input("a", random).sku).toContain("a");
  await expect(workloadOf({ entities: [], folder })).rejects.toThrow("the project lacks; its entities are: none");
});

test("a project without an example is refused with what to add", async () => {
  const { example: _, ...withoutExample } = product;
  for (const entities of [[], [withoutExample]])
    await expect(workloadOf(defineProject({ entities }))).rejects.toThrow(/`example`.* workload\.ts .*LOCKSTEP_CONFIG/);
});

test("writes by SQL need a key of one uuid", () => {
  expect(() => rowStatements({ ...product, key: ["id", "sku"] })).toThrow("not one uuid");
});

test("k6 gets documents that each replica keeps, and the same ones again", async () => {
  const workload = await workloadOf(project);
  const text = k6Workload(workload);
  expect(k6Workload(workload)).toBe(text);
  const { collection, unique, inputs, changes } = JSON.parse(text);
  expect([collection, inputs.length, changes.length]).toEqual(["products", 20, 50]);
  for (const input of inputs) expect(JSON.parse(input.replaceAll(unique, "x")).status).toBe("active");
  const archived = { ...workload, input: () => ({ ...product.example, status: "archived" }) };
  expect(() => k6Workload(archived)).toThrow("kept by all of its replicas");
});
