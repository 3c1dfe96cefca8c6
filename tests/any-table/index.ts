/** A project whose tables Lockstep did not make: keys and types of every sort, versions beside the tables, children. */
import {
  aggregate,
  bigint,
  bigserial,
  boolean,
  char,
  child,
  date,
  defineEntity,
  defineProject,
  doublePrecision,
  foreignKey,
  inet,
  integer,
  interval,
  json,
  jsonb,
  numeric,
  pgDomain,
  pgEnum,
  pgSchema,
  pgTable,
  pgType,
  primaryKey,
  real,
  serial,
  smallint,
  sql,
  text,
  time,
  timestamp,
  uuid,
  varchar,
} from "lockstep";

const mood = pgEnum("mood", ["calm", "up, or down", "100 %"]);

const countries = pgSchema("Geo").table("Country", {
  code: char("Code", { length: 2 }).primaryKey(),
  name: text("Name").notNull().unique(),
});

const categories = pgTable("categories", {
  id: bigint("category_id", { mode: "bigint" }).primaryKey().generatedAlwaysAsIdentity(),
  parent: bigint("parent_id", { mode: "bigint" }),
  title: varchar({ length: 40 }).notNull(),
  createdAt: timestamp("created_at", { withTimezone: true, mode: "string" }).notNull().default(sql`now()`),
});

const items = pgTable("items", {
  id: uuid().primaryKey().default(sql`uuidv7()`),
  category: bigint("category_id", { mode: "bigint" }),
  code: pgType("citext").notNull(),
  small: smallint(),
  whole: integer(),
  large: bigint({ mode: "bigint" }),
  exact: numeric(),
  price: numeric({ precision: 10, scale: 2 }),
  share: pgDomain("percentage", numeric({ precision: 5, scale: 2 })),
  single: real(),
  double: doublePrecision(),
  isOn: boolean("is_on"),
  day: date({ mode: "string" }),
  atTime: time("at_time"),
  moment: timestamp({ mode: "string" }),
  instant: timestamp({ withTimezone: true, mode: "string" }),
  span: interval(),
  raw: pgType("bytea"),
  mood: mood(),
  moods: mood().array(),
  numbers: integer().array(),
  exacts: numeric().array(),
  doubles: doublePrecision().array(),
  texts: text().array(),
  doc: jsonb(),
  needed: jsonb().notNull().default({}),
  source: json(),
  sources: json().array(),
  valid: pgType("tstzrange"),
  host: inet(),
  zip: pgDomain("postcode", text()),
  token: text().notNull().default(sql`md5(random()::text)`),
  rank: serial(),
  label: text().generatedAlwaysAs(sql`code::text || '!'`),
});

const memberships = pgTable(
  "memberships",
  {
    tenant: integer().notNull(),
    email: pgType("citext").notNull(),
    mood: mood().notNull(),
    points: integer().notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.email, t.mood] })],
);

const tags = pgTable("tags", { name: text().primaryKey() });

const orders = pgTable("orders", {
  number: bigserial({ mode: "bigint" }).primaryKey(),
  customer: text().notNull(),
  country: char({ length: 2 }),
  note: text(),
});
const orderLines = pgTable(
  "order_lines",
  {
    order: bigint("order_number", { mode: "bigint" }).notNull(),
    line: integer("line_no").notNull(),
    item: uuid("item_id").notNull(),
    quantity: integer().notNull(),
    options: jsonb(),
    source: json(),
    added: date({ mode: "string" }).notNull().default(sql`current_date`),
  },
  (t) => [primaryKey({ columns: [t.order, t.line] }), foreignKey({ columns: [t.item], foreignColumns: [items.id] })],
);

const invoices = pgTable(
  "invoices",
  {
    tenant: integer().notNull(),
    code: text().notNull(),
    total: numeric({ precision: 12, scale: 2 }).notNull().default("0.00"),
    version: bigint({ mode: "number" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.code] })],
);
const payments = pgTable(
  "payments",
  {
    tenant: integer().notNull(),
    invoice: text().notNull(),
    method: text().notNull(),
    amount: numeric({ precision: 12, scale: 2 }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.invoice, t.method] })],
);

export const country = defineEntity(countries, {
  name: "country",
  plural: "countries",
  example: { code: "BR", name: "Brazil" },
  replicas: { copy: {} },
});

export const category = defineEntity(categories, {
  name: "category",
  references: { parent: "category" },
  example: { title: "Kitchen" },
  replicas: { copy: {} },
});

export const item = defineEntity(items, {
  name: "item",
  references: { category: "category" },
  example: { code: "cup", price: "19.90", doc: { size: 1 } },
  replicas: { copy: {} },
});

export const membership = defineEntity(memberships, {
  name: "membership",
  example: { tenant: 7, email: "ana@example.com", mood: "calm" },
  replicas: { copy: {} },
});

export const tag = defineEntity(tags, { name: "tag", example: { name: "new" }, replicas: { copy: {} } });

export const order = defineEntity(
  aggregate(orders, { lines: child(orderLines, { parentKey: ["order"], rules: { quantity: (q) => q.max(1_000) } }) }),
  {
    name: "order",
    references: { country: "country" },
    example: { customer: "Ana", lines: [] },
    replicas: { copy: {} },
  },
);

export const invoice = defineEntity(
  aggregate(invoices, { payments: child(payments, { parentKey: ["tenant", "invoice"] }) }),
  {
    name: "invoice",
    version: "version",
    example: { tenant: 7, code: "2026/1", payments: [{ method: "card", amount: "1.00" }] },
    replicas: { copy: {} },
  },
);

export const anyTables = defineProject({
  entities: [country, category, item, membership, tag, order, invoice],
  migrations: new URL("./migrations/", import.meta.url),
});
