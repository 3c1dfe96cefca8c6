import { expect, test } from "bun:test";
import { idColumn, ownColumns, ownOptions } from "../../tests/harness/own-columns.ts";
import { bigint, integer, interval, pgTable, primaryKey, text, timestamp, varchar } from "./columns.ts";
import { aggregate, child, defineEntity } from "./define-entity.ts";
import { field } from "./derive.ts";
import { mask } from "./mask.ts";

const things = pgTable("things", { ...idColumn, title: text().notNull(), secret: text().notNull(), ...ownColumns });
const lines = pgTable("lines", { thing: text(), line: integer().notNull() }, (t) => [
  primaryKey({ columns: [t.thing, t.line] }),
]);
const same = { 1: (document: object) => ({ ...document }) };

/** Declares a thing with options that the compiler rejects, or cannot check. */
const define =
  (options: object, table: unknown = things) =>
  () =>
    defineEntity(table as never, { name: "thing", replicas: {}, ...options } as never);

test.each<[string, () => unknown, string]>([
  ["a name with a blank", define({ name: "a thing" }), "entity a thing: its name begins with a small letter"],
  ["a private member", define({ private: ["sice"] }), "entity thing: sice is not declared"],
  ["a rule", define({ rules: { sice: () => {} } }), "entity thing: the rule of sice belongs to no column"],
  ["a unique member", define({ unique: ["sku"] }), "entity thing: sku is not declared"],
  ["a version", define({ version: "title" }), "version names title of type text; it must be bigint"],
  ["a time", define({ createdAt: "nothing" }), "createdAt names nothing, which is not declared"],
  ["a private key", define({ private: ["id"] }), "id belongs to the key and cannot be private"],
  ["a private version", define({ ...ownOptions, private: ["version"] }), "version cannot be private"],
  ["a version of schema 0", define({ schemaVersion: 0 }), "schemaVersion 0 must be a whole number of at least 1"],
  ["half a version", define({ schemaVersion: 1.5 }), "schemaVersion 1.5 must be a whole number of at least 1"],
  ["no upcaster", define({ schemaVersion: 2 }), "schema version 1 has no upcaster; the log has its events"],
  ["an extra upcaster", define({ upcasters: same }), "names schema version 1, but only versions below 1 need one"],
  [
    "a placeholder",
    define({ replicas: { a: { placeholders: { 3: ["title"] } } } }),
    "names schema version 3, but only versions below 1",
  ],
  ["an omitted member", define({ replicas: { a: { omit: ["sice"] } } }), "replica a: omit names sice, which is not"],
  ["a picked member", define({ replicas: { a: { pick: ["sice"] } } }), "replica a: pick names sice, which is not"],
  ["a masked member", define({ replicas: { a: { mask: { sice: mask.omit } } } }), "mask names sice, which is not"],
  ["an omitted key", define({ replicas: { a: { omit: ["id"] } } }), "omit names id, which each replica needs"],
  [
    "an omitted version",
    define({ ...ownOptions, replicas: { a: { omit: ["version"] } } }),
    "omit names version, which each replica needs",
  ],
  [
    "a derived key",
    define({ replicas: { a: { derive: { id: field.text(() => "") } } } }),
    "derive has id, which each replica has from the source",
  ],
  [
    "a table without a key",
    define({}, pgTable("t", { a: text() })),
    "table t declares no primary key; add primaryKey()",
  ],
  [
    "a key without a canonical text",
    define({}, pgTable("t", { a: interval().primaryKey() })),
    "a belongs to the key and has the type interval, whose values have no canonical text",
  ],
  [
    "a key of a list",
    define({}, pgTable("t", { a: text().array().primaryKey() })),
    "a belongs to the key and has the type text[]",
  ],
  [
    "a table whose name does not fit a URL",
    define({}, pgTable("my things", { a: text().primaryKey() })),
    'plural "my things" must have only letters, digits, - and _, since it is a part of URLs; name a `plural`',
  ],
  [
    "a member whose name does not fit",
    define({}, pgTable("t", { "a b": text().primaryKey() })),
    "field a b must have only letters, digits and _, and begin with a letter",
  ],
  [
    "a version that allows null",
    define({ version: "v" }, pgTable("t", { id: text().primaryKey(), v: bigint({ mode: "number" }) })),
    "version names v, which allows null; add notNull()",
  ],
  [
    "a composite key that a replica does not name",
    define({ replicas: { a: { pick: ["line"] } } }, lines),
    "pick must name thing, which belongs to the key",
  ],
  [
    "a child with the name of a column",
    define({}, aggregate(things, { title: child(lines, { parentKey: ["thing"] }) })),
    "child title has the name of a column",
  ],
  [
    "a child whose key has another type",
    define({}, aggregate(things, { lines: child(lines, { parentKey: ["line"], key: ["thing"] }) })),
    "child lines: line has the type integer, the key's id has uuid",
  ],
])("%s is rejected, and the error names the entity, the member and the rule", (_what, declare, message) => {
  expect(declare).toThrow(message);
});

test("P13: a replica gets a private field only when its declaration names it", () => {
  const thing = defineEntity(things, {
    name: "thing",
    private: ["secret"],
    replicas: {
      all: {},
      named: { pick: ["secret"] },
      masked: { mask: { secret: mask.keepLast(1) } },
    },
  });
  const document = { id: "1", title: "Cup", secret: "abc", createdAt: "c", updatedAt: "u", version: 1 };
  const projected = Object.fromEntries(thing.replicas.map(({ name, project }) => [name, project(document)]));
  const { secret: _, ...others } = document;
  expect(projected).toEqual({
    all: others,
    named: { id: "1", secret: "abc" },
    masked: { ...others, secret: "**c" },
  });
  expect(Object.keys(thing.replicas[0]!.fields)).toEqual(Object.keys(others));
});

test("a filter may read a private field", () => {
  const thing = defineEntity(things, {
    name: "thing",
    private: ["secret"],
    replicas: { some: { where: (t) => t.secret === "yes" } },
  });
  expect([{ secret: "yes" }, { secret: "no" }].map(thing.replicas[0]!.filter)).toEqual([true, false]);
});

test("names, types and defaults of columns are those of the table", () => {
  const table = pgTable("orders", {
    orderNo: varchar("order_no", { length: 20 }).primaryKey(),
    placedAt: timestamp({ withTimezone: true }).notNull().defaultNow(),
    count: integer().notNull().default(3),
    serial: bigint({ mode: "number" }).generatedAlwaysAsIdentity(),
  });
  const { fields, key } = defineEntity(table, { name: "order", casing: "snake_case", replicas: {} });
  const parts = ({ column, type, initial, hasDatabaseDefault, readOnly }: (typeof fields)[string]) => [
    column,
    type,
    initial,
    hasDatabaseDefault,
    readOnly,
  ];
  expect(key).toEqual(["orderNo"]);
  expect(Object.values(fields).map(parts)).toEqual([
    ["order_no", "character varying(20)", undefined, false, false],
    ["placed_at", "timestamp with time zone", undefined, true, false],
    ["count", "integer", 3, false, false],
    ["serial", "bigint", undefined, true, true],
  ]);
});
