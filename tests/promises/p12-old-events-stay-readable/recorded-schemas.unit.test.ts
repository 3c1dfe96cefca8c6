/** P12: whatever was written under an earlier schema version can be read today. A change that breaks this fails here. */
import { describe, expect, test } from "bun:test";
import { entities } from "../../../contracts/entities/index.ts";
import {
  defineEntity,
  defineReplica,
  type EntityDeclaration,
  type Upcasters,
} from "../../../contracts/entity/declaration.ts";
import { decimal, integer, oneOf, text } from "../../../contracts/entity/fields.ts";
import { findProblems } from "../../schema-history/check-history.ts";
import { createRecording, type Recording, readRecordings } from "../../schema-history/recordings.ts";

describe("P12: today's code reads the recorded samples of every schema version of", () => {
  test.each(entities.map((entity) => [entity.name, entity] as const))("%s", (name, entity) => {
    const problems = findProblems(entity, readRecordings(name));
    if (problems.length > 0) throw new Error(problems.join("\n"));
  });
});

describe("the check finds", () => {
  const first = {
    name: text({ min: 1, max: 20 }),
    price: decimal({ scale: 2 }),
    margin: decimal({ scale: 2, private: true }),
    status: oneOf(["draft", "active"]),
  };
  const { name: _, price: __, ...kept } = first;
  const second = { ...kept, title: text({ min: 1, max: 20 }), cents: integer({ min: 0, max: 1e12 }) };
  const read: Upcasters = {
    1: ({ name, price, ...rest }) => ({ ...rest, title: name, cents: Number(String(price).replace(".", "")) }),
  };
  type Changes = Partial<EntityDeclaration> & { shop?: Partial<Parameters<typeof defineReplica>[1]> };
  const thing = (fields: EntityDeclaration["fields"], { shop, ...changes }: Changes) =>
    defineEntity({
      name: "thing",
      plural: "things",
      schemaVersion: 1,
      fields,
      unique: [],
      replicas: [
        defineReplica(fields, { name: "all" }),
        defineReplica(fields, { name: "shop", filter: (t) => t.status === "active", without: ["status"], ...shop }),
      ],
      ...changes,
    });
  const v1 = thing(first, {});
  const v2 = (changes: Changes = {}, fields: EntityDeclaration["fields"] = second) =>
    thing(fields, { schemaVersion: 2, upcasters: read, ...changes });
  const recorded = (...entities: EntityDeclaration[]): Map<number, Recording> =>
    new Map(entities.map((entity) => [entity.schemaVersion, createRecording(entity)]));
  const found = (entity: EntityDeclaration, history = recorded(v1, entity)) => findProblems(entity, history).join("\n");

  test("nothing where all is well", () => {
    expect(found(v1)).toBe("");
    expect(found(v2())).toBe("");
  });

  test("a version without samples, and says which command records them", () => {
    expect(found(v1, new Map())).toContain("version 1 has no samples: run `bun run record-schema thing`");
    expect(found(v2(), recorded(v2()))).toContain("version 1 has no samples: bring back");
  });

  const wider = { ...first, name: text({ min: 1, max: 21 }) };
  const open = { ...first, margin: decimal({ scale: 2 }) };
  test.each([
    ["a field's schema", thing(wider, {}), "members.name.maxLength was 20 and is 21"],
    ["a new field", thing({ ...first, size: integer({ min: 0, max: 9 }) }, {}), "members.size was added"],
    ["privacy", thing(open, {}), 'private was ["margin"] and is []'],
    ["what a replica has", thing(first, { shop: { without: ["status", "price"] } }), "replicas.shop.price is gone"],
    ["a filter", thing(first, { shop: { filter: () => true } }), "becomes.shop was null and is"],
  ])("that %s was changed without a new schema version, and says what to do", (_what, changed, how) => {
    const problems = found(changed, recorded(v1));
    expect(problems).toContain(how);
    expect(problems).toContain("run `bun run record-schema --again thing`");
    const released = new Map([[1, { ...createRecording(v1), released: true }]]);
    expect(found(changed, released)).toContain("set schemaVersion to 2, add an upcaster for 1");
    expect(found(changed, released)).not.toContain("--again");
  });

  test("that a new schema allows less than an old one did", () => {
    expect(found(v2({}, { ...second, title: text({ min: 1, max: 19 }) }))).toContain("upcast to 2 it is not valid");
  });

  test.each<[string, Upcasters, string]>([
    [
      "throws",
      { 1: () => (undefined as never as { a: string }).a as never },
      "the upcaster of version 1 threw a TypeError",
    ],
    ["forgets a member", { 1: ({ name, price, ...rest }) => ({ ...rest, title: name }) }, "is not valid"],
    ["changes the version", { 1: (old) => ({ ...read[1]!(old), version: 7 }) }, "changes version"],
    [
      "is not a function of the document",
      { 1: (old) => ({ ...read[1]!(old), cents: Math.floor(Math.random() * 1e12) }) },
      "another result each time",
    ],
    [
      "shows a private value",
      { 1: (old) => ({ ...read[1]!(old), title: `${String(old.margin).slice(0, 20)}` }) },
      "margin was private, and title tells of it",
    ],
    [
      "needs what a replica was not sent",
      { 1: (old) => ({ ...read[1]!(old), title: (old.status as string).slice(0, 20) }) },
      "as shop was sent it",
    ],
  ])("an upcaster that %s", (_what, upcasters, problem) => {
    expect(found(v2({ upcasters }))).toContain(problem);
  });

  test("that a replica cannot make up what it was not sent, unless it says so", () => {
    const upcasters: Upcasters = { 1: (sent) => ({ ...read[1]!(sent), status: "draft" }) };
    expect(found(v2({ shop: { without: [] } }))).toContain("no upcaster sets the member status of replica shop");
    expect(found(v2({ shop: { without: [], upcasters } }))).toContain("status would not be what is sent today");
    expect(found(v2({ shop: { without: [], upcasters, placeholders: { 1: ["status"] } } }))).toBe("");
  });

  test("a version that was recorded and is not declared any more", () => {
    expect(found(v1, recorded(v1, v2()))).toContain("versions only rise");
  });
});

test("a declaration with a gap among its upcasters, or one too many, is refused", () => {
  const fields = { name: text({ max: 5 }) };
  const declare = (schemaVersion: number, upcasters: Upcasters) => () =>
    defineEntity({ name: "thing", plural: "things", schemaVersion, fields, unique: [], replicas: [], upcasters });
  const same = (document: Record<string, unknown>) => document;
  expect(declare(3, { 1: same })).toThrow("schema version 2 has no upcaster");
  expect(declare(2, { 1: same, 2: same })).toThrow("names schema version 2, but only versions below 2 need one");
  expect(declare(0, {})).toThrow("must be a whole number of at least 1");
  expect(declare(3, { 1: same, 2: same })).not.toThrow();
});
