/** P12: today's code reads documents of every earlier schema version. A change that breaks this fails here. */
import { describe, expect, test } from "bun:test";
import type { PgColumnBuilderBase } from "drizzle-orm/pg-core";
import type { z } from "zod";
import { bigint, integer, numeric, pgTable, text } from "../../../contracts/entity/columns.ts";
import type { EntityDeclaration, Upcasters } from "../../../contracts/entity/declaration.ts";
import { defineEntity } from "../../../contracts/entity/define-entity.ts";
import type { Document } from "../../../contracts/entity/document.ts";
import type { NumericSchema } from "../../../contracts/entity/forms/numeric.ts";
import { idColumn, ownColumns, ownOptions } from "../../harness/own-columns.ts";
import { project } from "../../project/index.ts";
import { findProblems } from "../../schema-history/check-history.ts";
import { createRecording, type Recording, readRecordings, samplesFolder } from "../../schema-history/recordings.ts";

/** Columns of a declaration that varies: each with its rule, and whether it is private. */
type Columns = Readonly<
  Record<string, readonly [PgColumnBuilderBase, ((schema: z.ZodString) => z.ZodType)?, "private"?]>
>;

describe("P12: today's code reads the recorded samples of every schema version of", () => {
  test.each(project.entities.map((entity) => [entity.name, entity] as const))("%s", (name, entity) => {
    const problems = findProblems(entity, readRecordings(name, samplesFolder(project)));
    if (problems.length > 0) throw new Error(problems.join("\n"));
  });
});

describe("the check of recorded schemas", () => {
  const first: Columns = {
    name: [text().notNull(), (name) => name.min(1).max(20)],
    price: [numeric({ precision: 12, scale: 2 }).notNull(), (price) => (price as NumericSchema).nonNegative()],
    margin: [numeric({ precision: 12, scale: 2 }).notNull(), (margin) => margin, "private"],
    status: [text({ enum: ["draft", "active"] }).notNull()],
  };
  const { name: _, price: __, ...unchanged } = first;
  const title = (max: number): Columns[string] => [text().notNull(), (text) => text.min(1).max(max)];
  const second: Columns = { ...unchanged, title: title(20), cents: [bigint({ mode: "number" }).notNull()] };
  const upcast: Upcasters = {
    1: ({ name, price, ...rest }) => ({ ...rest, title: name, cents: Number(String(price).replace(".", "")) }),
  };
  type Options = Readonly<Record<string, unknown>>;
  /** Options of the entity, and of its replica `shop`. */
  type Changes = Options & { readonly shop?: Options };
  /** Declares from data, so without the compiler's checks. */
  const thing = (columns: Columns, { shop, ...changes }: Changes): EntityDeclaration => {
    const pick = (at: 0 | 1 | 2) =>
      Object.fromEntries(
        Object.entries(columns).flatMap(([member, column]) => (column[at] ? [[member, column[at]]] : [])),
      );
    const table = pgTable("things", {
      ...idColumn,
      ...(pick(0) as Record<string, PgColumnBuilderBase>),
      ...ownColumns,
    });
    return defineEntity(table, {
      name: "thing",
      ...ownOptions,
      private: Object.keys(pick(2)),
      rules: pick(1),
      replicas: { all: {}, shop: { where: (t: Document) => t.status === "active", omit: ["status"], ...shop } },
      ...changes,
    } as never);
  };
  const v1 = thing(first, {});
  const v2 = (changes: Changes = {}, columns: Columns = second) =>
    thing(columns, { schemaVersion: 2, upcasters: upcast, ...changes });
  const recorded = (...entities: EntityDeclaration[]): Map<number, Recording> =>
    new Map(entities.map((entity) => [entity.schemaVersion, createRecording(entity)]));
  const check = (entity: EntityDeclaration, history = recorded(v1, entity)) => findProblems(entity, history).join("\n");

  test("finds no problem in a correct history", () => {
    expect(check(v1)).toBe("");
    expect(check(v2())).toBe("");
  });

  test("reports a version without samples, and names the command that records them", () => {
    expect(check(v1, new Map())).toContain("version 1 has no samples: run `bun run record-schema thing`");
    expect(check(v2(), recorded(v2()))).toContain("version 1 has no samples: restore");
  });

  const wider = { ...first, name: title(21) };
  const publicMargin: Columns = { ...first, margin: [numeric({ precision: 12, scale: 2 }).notNull()] };
  test.each([
    ["a field's schema", thing(wider, {}), "members.name.maxLength was 20 and is 21"],
    ["a new field", thing({ ...first, size: [integer().notNull()] }, {}), "members.size was added"],
    ["privacy", thing(publicMargin, {}), 'private was ["margin"] and is []'],
    [
      "the fields of a replica",
      thing(first, { shop: { omit: ["status", "price"] } }),
      "replicas.shop.price was removed",
    ],
    ["a filter", thing(first, { shop: { where: () => true } }), 'projections of sample "edge 1".shop was null and is'],
  ])("reports that %s changed without a new schema version, and says what to do", (_what, changed, difference) => {
    const problems = check(changed, recorded(v1));
    expect(problems).toContain(difference);
    expect(problems).toContain("run `bun run record-schema --again thing`");
    const released = new Map([[1, { ...createRecording(v1), released: true }]]);
    expect(check(changed, released)).toContain("set schemaVersion to 2, add an upcaster for 1");
    expect(check(changed, released)).not.toContain("--again");
  });

  test("reports a new schema that allows less than an old one", () => {
    expect(check(v2({}, { ...second, title: title(19) }))).toContain("not valid after upcasting to version 2");
  });

  test.each<[string, Upcasters, string]>([
    [
      "throws",
      { 1: () => (undefined as never as { a: string }).a as never },
      "the upcaster of version 1 threw a TypeError",
    ],
    [
      "omits a member",
      { 1: ({ name, price, ...rest }) => ({ ...rest, title: name }) },
      "not valid after upcasting to version 2",
    ],
    ["changes the version", { 1: (old) => ({ ...upcast[1]!(old), version: 7 }) }, "changes version"],
    [
      "is not deterministic",
      { 1: (old) => ({ ...upcast[1]!(old), cents: Math.floor(Math.random() * 1e12) }) },
      "an upcaster is not deterministic",
    ],
    [
      "copies a private value to a public member",
      { 1: (old) => ({ ...upcast[1]!(old), title: `${String(old.margin).slice(0, 20)}` }) },
      "margin was private, and its value reaches title",
    ],
    [
      "needs a member that a replica did not receive",
      { 1: (old) => ({ ...upcast[1]!(old), title: (old.status as string).slice(0, 20) }) },
      "as sent to shop",
    ],
  ])("reports an upcaster that %s", (_what, upcasters, problem) => {
    expect(check(v2({ upcasters }))).toContain(problem);
  });

  test("reports a member that a replica did not receive, unless a placeholder is declared", () => {
    const upcasters: Upcasters = { 1: (sent) => ({ ...upcast[1]!(sent), status: "draft" }) };
    expect(check(v2({ shop: { omit: [] } }))).toContain("no upcaster sets the member status of replica shop");
    expect(check(v2({ shop: { omit: [], upcasters } }))).toContain("status would differ from what is sent today");
    expect(check(v2({ shop: { omit: [], upcasters, placeholders: { 1: ["status"] } } }))).toBe("");
  });

  test("reports a recorded version that is no longer declared", () => {
    expect(check(v1, recorded(v1, v2()))).toContain("versions must not decrease");
  });
});

test("a declaration with a missing or an extra upcaster is rejected", () => {
  const table = pgTable("things", { ...idColumn, name: text().notNull() });
  const declare = (schemaVersion: number, upcasters: Upcasters) => () =>
    defineEntity(table, { name: "thing", schemaVersion, upcasters, replicas: {} });
  const same = (document: Record<string, unknown>) => document;
  expect(declare(3, { 1: same })).toThrow("schema version 2 has no upcaster");
  expect(declare(2, { 1: same, 2: same })).toThrow("names schema version 2, but only versions below 2 need one");
  expect(declare(0, {})).toThrow("must be a whole number of at least 1");
  expect(declare(3, { 1: same, 2: same })).not.toThrow();
});
