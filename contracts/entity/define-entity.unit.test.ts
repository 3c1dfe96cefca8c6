import { describe, expectTypeOf, test } from "bun:test";
import {
  bigint,
  boolean,
  doublePrecision,
  integer,
  jsonb,
  numeric,
  pgDomain,
  pgSchema,
  pgTable,
  pgType,
  primaryKey,
  real,
  sql,
  text,
  timestamp,
  uuid,
  varchar,
} from "./columns.ts";
import { aggregate, child, defineEntity } from "./define-entity.ts";
import { field } from "./derive.ts";
import type { Infer, InferInput } from "./entity-options.ts";
import type { Float, JsonValue } from "./infer.ts";
import { mask } from "./mask.ts";

const sales = pgSchema("sales");
const level = sales.enum("Level", ["low", "high"]);

const customers = sales.table(
  "Customers",
  {
    tenant: integer().notNull(),
    number: bigint({ mode: "bigint" }).notNull(),
    email: varchar({ length: 200 }).notNull().unique(),
    balance: numeric({ precision: 12, scale: 2 }).notNull().default("0.00"),
    score: real(),
    level: level(),
    tags: text().array().notNull().default([]),
    grid: integer().array().array(),
    settings: jsonb().$type<{ readonly theme: string }>(),
    more: jsonb(),
    range: pgType("int4range", "valid_range"),
    weight: pgDomain("posint", integer()),
    double: integer().generatedAlwaysAs(sql`tenant * 2`),
    createdAt: timestamp("created_at", { precision: 3, withTimezone: true, mode: "string" }).notNull(),
    version: bigint({ mode: "number" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.number] })],
);

const orderLines = pgTable(
  "order_lines",
  {
    tenant: integer().notNull(),
    number: bigint({ mode: "bigint" }).notNull(),
    line: integer().notNull(),
    amount: integer().notNull(),
    cost: text(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.number, t.line] })],
);

const customer = defineEntity(
  aggregate(customers, { lines: child(orderLines, { parentKey: ["tenant", "number"], private: ["cost"] }) }),
  {
    name: "customer",
    plural: "customers",
    version: "version",
    createdAt: "createdAt",
    private: ["balance"],
    rules: { balance: (s) => s.finite(), tags: (list) => list.max(3) },
    references: { tenant: "tenant" },
    example: { tenant: 1, number: 1, email: "a@b.c" },
    replicas: {
      all: {},
      masked: {
        where: (c) => c.level === "high" && c.lines.some((line) => line.amount > 0),
        omit: ["more", "grid"],
        mask: { email: mask.hash("EMAIL_KEY"), balance: mask.keepLast(2), settings: (s) => ({ theme: s.theme }) },
        derive: { isRich: field.boolean((c) => Number(c.balance) > 100), note: field.column(text(), (c) => c.range) },
      },
      few: { pick: ["tenant", "number", "balance"], mask: { score: mask.omit } },
    },
  },
);

describe("the types of documents", () => {
  test("follow from the columns", () => {
    type Customer = Infer<typeof customer>;
    expectTypeOf<Customer["number"]>().toEqualTypeOf<number | string>();
    expectTypeOf<Customer["balance"]>().toEqualTypeOf<string>();
    expectTypeOf<Customer["score"]>().toEqualTypeOf<Float | null>();
    expectTypeOf<Customer["level"]>().toEqualTypeOf<"low" | "high" | null>();
    expectTypeOf<Customer["tags"]>().toEqualTypeOf<readonly (string | null)[]>();
    expectTypeOf<Customer["grid"]>().toEqualTypeOf<readonly (readonly (number | null)[] | null)[] | null>();
    expectTypeOf<Customer["settings"]>().toEqualTypeOf<{ readonly theme: string } | null>();
    expectTypeOf<Customer["more"]>().toEqualTypeOf<JsonValue | null>();
    expectTypeOf<Customer["range"]>().toEqualTypeOf<string | null>();
    expectTypeOf<Customer["weight"]>().toEqualTypeOf<number | null>();
    expectTypeOf<Customer["lines"][number]>().toEqualTypeOf<{
      readonly tenant: number;
      readonly number: number | string;
      readonly line: number;
      readonly amount: number;
      readonly cost: string | null;
    }>();
  });

  test("follow from what a replica keeps, masks and derives", () => {
    type Masked = Infer<typeof customer, "masked">;
    expectTypeOf<keyof Infer<typeof customer, "all">>().toEqualTypeOf<
      Exclude<keyof Infer<typeof customer>, "balance">
    >();
    expectTypeOf<Masked["isRich"]>().toEqualTypeOf<boolean>();
    expectTypeOf<Masked["note"]>().toEqualTypeOf<string | null>();
    expectTypeOf<Masked["email"]>().toEqualTypeOf<string>();
    expectTypeOf<Masked["settings"]>().toEqualTypeOf<{ readonly theme: string } | null>();
    expectTypeOf<Extract<keyof Masked, "more" | "grid">>().toEqualTypeOf<never>();
    expectTypeOf<Infer<typeof customer, "few">>().toEqualTypeOf<{
      readonly tenant: number;
      readonly number: number | string;
      readonly balance: string;
      readonly createdAt: string;
      readonly version: number;
    }>();
  });

  test("of a request leave out what the database sets", () => {
    type Input = InferInput<typeof customer>;
    expectTypeOf<Extract<keyof Input, "version" | "createdAt" | "double">>().toEqualTypeOf<never>();
    expectTypeOf<Input["balance"]>().toEqualTypeOf<string | undefined>();
    expectTypeOf<Input["email"]>().toEqualTypeOf<string>();
  });
});

test("the compiler rejects names that are not declared", () => {
  const things = pgTable("things", { id: uuid().primaryKey(), size: integer(), on: boolean(), w: doublePrecision() });
  const define = (_: () => unknown) => {};
  // @ts-expect-error a private member that is not declared
  define(() => defineEntity(things, { name: "thing", private: ["sice"], replicas: {} }));
  // @ts-expect-error a rule of a member that is not declared
  define(() => defineEntity(things, { name: "thing", rules: { sice: (s: never) => s }, replicas: {} }));
  // @ts-expect-error an option that does not exist
  define(() => defineEntity(things, { name: "thing", privat: ["size"], replicas: {} }));
  // @ts-expect-error an option of a replica that does not exist
  define(() => defineEntity(things, { name: "thing", replicas: { a: { wher: () => true } } }));
  // @ts-expect-error a replica that omits a member that is not declared
  define(() => defineEntity(things, { name: "thing", replicas: { a: { omit: ["sice"] } } }));
  // @ts-expect-error a mask of a member that is not declared
  define(() => defineEntity(things, { name: "thing", replicas: { a: { mask: { sice: mask.keepLast(1) } } } }));
  // @ts-expect-error a filter that reads a member that is not declared
  define(() => defineEntity(things, { name: "thing", replicas: { a: { where: (t) => t.sice === 1 } } }));
  // @ts-expect-error a filter that compares a member that may be null
  define(() => defineEntity(things, { name: "thing", replicas: { a: { where: (t) => t.size > 1 } } }));
  // @ts-expect-error an example without a required member
  define(() => defineEntity(customers, { name: "customer", example: { tenant: 1, number: 1 }, replicas: {} }));
  // @ts-expect-error a version in a member that is not declared
  define(() => defineEntity(things, { name: "thing", version: "versio", replicas: {} }));
  // @ts-expect-error a replica that is not declared
  type _ = Infer<typeof customer, "nowhere">;
});
