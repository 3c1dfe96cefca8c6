/** A product: the example to copy for an entity of your own. `lockstep generate` writes its migrations. */
import {
  bigint,
  defineEntity,
  distinct,
  field,
  type Infer,
  integer,
  items,
  numeric,
  pgTable,
  sql,
  text,
  timestamp,
  uuid,
} from "lockstep";

export const products = pgTable("products", {
  id: uuid().primaryKey().default(sql`uuidv7()`),
  sku: text().notNull().unique(),
  name: text().notNull(),
  description: text().notNull().default(""),
  price: numeric({ precision: 12, scale: 2 }).notNull(),
  /** ISO 4217. */
  currency: text().notNull().default("BRL"),
  /** What the shop pays. Private: it is visible at the gateway only. */
  cost: numeric({ precision: 12, scale: 2 }).notNull().default("0.00"),
  stock: integer().notNull().default(0),
  status: text({ enum: ["draft", "active", "archived"] })
    .notNull()
    .default("draft"),
  tags: text().array().notNull().default([]),
  createdAt: timestamp("created_at", { precision: 3, withTimezone: true, mode: "string" }).notNull(),
  updatedAt: timestamp("updated_at", { precision: 3, withTimezone: true, mode: "string" }).notNull(),
  version: bigint({ mode: "number" }).notNull(),
});

export const product = defineEntity(products, {
  name: "product",
  version: "version",
  createdAt: "createdAt",
  updatedAt: "updatedAt",
  private: ["cost"],
  rules: {
    sku: (sku) => sku.min(1).max(64),
    name: (name) => name.min(1).max(200),
    description: (description) => description.min(0).max(10_000),
    price: (price) => price.nonNegative(),
    currency: (currency) => currency.length(3).regex(/^[A-Z]{3}$/),
    cost: (cost) => cost.nonNegative(),
    stock: (stock) => stock.min(0).max(1_000_000_000),
    tags: (tags) => distinct(items(tags, (tag) => tag.min(1).max(50)).max(20)),
  },
  example: { sku: "cup", name: "Espresso cup", price: "19.90", stock: 12, status: "active", tags: ["kitchen"] },
  replicas: {
    // The full copy: all products with all public fields.
    catalog: {},
    // For the shop window: active products only, with `inStock` instead of the amount.
    storefront: {
      where: (p) => p.status === "active",
      omit: ["stock"],
      derive: { inStock: field.boolean((p) => p.stock > 0) },
    },
  },
});

/** The product in the source, and in the shop window. */
export type Product = Infer<typeof product>;
export type ProductInStorefront = Infer<typeof product, "storefront">;
