/** The entity of the tests, with each kind of field. */
import { boolean, decimal, defineEntity, defineReplica, integer, oneOf, text, texts } from "lockstep";

const fields = {
  sku: text({ min: 1, max: 64 }),
  name: text({ min: 1, max: 200 }),
  description: text({ max: 10_000, initial: "" }),
  price: decimal({ scale: 2 }),
  /** ISO 4217. */
  currency: text({ min: 3, max: 3, pattern: /^[A-Z]{3}$/, initial: "BRL" }),
  /** What the shop pays. Private: it is visible at the gateway only. */
  cost: decimal({ scale: 2, initial: "0.00", private: true }),
  stock: integer({ min: 0, max: 1_000_000_000, initial: 0 }),
  status: oneOf(["draft", "active", "archived"], { initial: "draft" }),
  tags: texts({ maxItems: 20, maxLength: 50, initial: [] }),
};

/** A product with a full replica and a filtered one. */
export const product = defineEntity({
  name: "product",
  plural: "products",
  schemaVersion: 1,
  fields,
  unique: ["sku"],
  example: { sku: "cup", name: "Espresso cup", price: "19.90", stock: 12, status: "active", tags: ["kitchen"] },
  replicas: [
    // The full copy: all products with all public fields.
    defineReplica(fields, { name: "catalog" }),
    // For the shop window: active products only, with `inStock` instead of the amount.
    defineReplica(fields, {
      name: "storefront",
      filter: (p) => p.status === "active",
      without: ["stock"],
      derived: { inStock: { field: boolean(), from: (p) => (p.stock as number) > 0 } },
    }),
  ],
});
