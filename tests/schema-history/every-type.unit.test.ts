/** Recordings and API descriptions of an entity with a column of each type. */
import { expect, test } from "bun:test";
import { z } from "zod";
import { jsonb, pgTable, text } from "../../contracts/entity/columns.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { defineEntity } from "../../contracts/entity/define-entity.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { exampleDocument, exampleId } from "../../contracts/entity/example.ts";
import { jsonSchemas, schemaRef } from "../../contracts/entity/json-schema.ts";
import { documentSchema, inputSchema, patchSchema, replaceSchema } from "../../contracts/entity/schemas.ts";
import { validatorsOf } from "../harness/api-descriptions.ts";
import { everyType } from "../harness/every-type.ts";
import { findProblems } from "./check-history.ts";
import { edgeDocuments } from "./edge-documents.ts";
import { createRecording } from "./recordings.ts";

const history = (entity: EntityDeclaration) => findProblems(entity, new Map([[1, createRecording(entity)]]));
/** As a file of a recording keeps it. */
const kept = (document: Document): Document => JSON.parse(JSON.stringify(document));

test("a recording of every type is read without a problem, also from its file", () => {
  expect(history(everyType)).toEqual([]);
  const recording = createRecording(everyType);
  const read = { ...recording, samples: JSON.parse(JSON.stringify(recording.samples)) };
  expect(findProblems(everyType, new Map([[1, read]]))).toEqual([]);
});

test("the samples have null, an edge of each type, and lines", () => {
  const documents = edgeDocuments(everyType);
  const valuesOf = (member: string) => documents.map((document) => document[member]);
  expect(valuesOf("instant")).toContain("-infinity");
  expect(valuesOf("double")).toContain("NaN");
  expect(valuesOf("big")).toContain("-9223372036854775808");
  expect(valuesOf("text")).toContain(null);
  expect(valuesOf("lines").map((lines) => (lines as unknown[]).length)).toContain(2);
});

test("a rule may return any schema, also one that contains itself", () => {
  const table = pgTable("trees", { id: text().primaryKey(), tree: jsonb().notNull() });
  const tree = defineEntity(table, { name: "tree", rules: { tree: () => z.json() }, replicas: { all: {} } });
  expect(history(tree)).toEqual([]);
});

test("the description of every type accepts each document, and rejects another shape", () => {
  const schemas = { Whole: documentSchema(everyType), Input: inputSchema(everyType) };
  const schemasByName = { ...schemas, Replaced: replaceSchema(everyType), Patch: patchSchema(everyType) };
  for (const draft of ["2020", "7"] as const) {
    const described = jsonSchemas(schemasByName, draft === "2020" ? "draft-2020-12" : "draft-7");
    const compile = validatorsOf({ components: { schemas: described } }, draft);
    const whole = compile(schemaRef("Whole"));
    for (const document of edgeDocuments(everyType)) {
      whole(kept(document));
      expect([document, whole.errors]).toEqual([document, null]);
    }
    expect(whole({ ...kept(edgeDocuments(everyType)[0]!), int: "1" })).toBe(false);
  }
});

test("an entity without columns of Lockstep has an example document and id", () => {
  const entity = { ...everyType, example: { tenant: 7, code: "A,b", text: "x" } };
  expect(exampleDocument(entity)).toMatchObject({ tenant: 7, code: "A,b", text: "x", int: null, lines: [] });
  expect(exampleId(entity)).toBe("7,a%2Cb");
});
