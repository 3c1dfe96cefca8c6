import { expect, test } from "bun:test";
import { defineEntity, defineReplica, type EntityDeclaration } from "./declaration.ts";
import { integer, text } from "./fields.ts";

const fields = { title: text({ max: 20 }), secret: text({ max: 9, private: true }) };
const define = (given: Partial<EntityDeclaration>) => () =>
  defineEntity({ name: "thing", plural: "things", schemaVersion: 1, fields, unique: [], replicas: [], ...given });
const all = defineReplica(fields, { name: "all" });

test("a contradiction in a declaration is rejected, and the error names the entity, the part and the rule", () => {
  const upcasters = { 1: (document: object) => ({ ...document }) };
  for (const [given, message] of [
    [{ fields: { version: integer({ min: 0, max: 9 }) } }, "field version has the name of a system field"],
    [{ fields: { Big_Name: text({ max: 9 }) } }, "field Big_Name must be camelCase"],
    [{ unique: ["sku"] }, "unique field sku is not declared"],
    [{ replicas: [all, all] }, "two replicas have the same name"],
    [{ schemaVersion: 0 }, "schemaVersion 0 must be a whole number of at least 1"],
    [{ schemaVersion: 1.5 }, "schemaVersion 1.5 must be a whole number of at least 1"],
    [{ schemaVersion: 2 }, "schema version 1 has no upcaster; the log has its events (docs/schema-changes.md)"],
    [{ upcasters }, "names schema version 1, but only versions below 1 need one"],
    [{ replicas: [{ ...all, placeholders: { 3: ["title"] } }] }, "names schema version 3, but only versions below 1"],
  ] as const)
    expect(define(given)).toThrow(message);
  expect(define({ schemaVersion: 2, upcasters, unique: ["title"], replicas: [all] })).not.toThrow();
});

test("a replica that names an undeclared field is rejected", () => {
  for (const options of [{ only: ["title", "size"] }, { without: ["size"] }])
    expect(() => defineReplica(fields, { name: "all", ...options })).toThrow("replica all: field size is not declared");
});

test("P13: a replica gets a private field only when its declaration names it", () => {
  const document = { title: "Cup", secret: "s" };
  expect(all.project(document)).toEqual({ title: "Cup" });
  expect(Object.keys(all.fields)).toEqual(["title"]);
  expect(defineReplica(fields, { name: "some", only: ["secret"] }).project(document)).toEqual({ secret: "s" });
});
