/** An order with its lines: one document, one version, applied in one transaction. */
import {
  aggregate,
  bigint,
  child,
  defineEntity,
  field,
  type Infer,
  integer,
  numeric,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uuid,
} from "lockstep";
import { customers } from "./customer.ts";
import { products } from "./product.ts";

const orders = pgTable("orders", {
  number: bigint({ mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  customerId: uuid("customer_id")
    .notNull()
    .references(() => customers.id),
  status: text({ enum: ["open", "paid", "shipped", "cancelled"] })
    .notNull()
    .default("open"),
  /** With microseconds. */
  placedAt: timestamp("placed_at", { withTimezone: true, mode: "string" }).notNull(),
  note: text(),
});

const orderLines = pgTable(
  "order_lines",
  {
    orderNumber: bigint("order_number", { mode: "number" })
      .notNull()
      .references(() => orders.number, { onDelete: "cascade" }),
    line: integer().notNull(),
    productId: uuid("product_id")
      .notNull()
      .references(() => products.id),
    quantity: integer().notNull(),
    unitPrice: numeric("unit_price", { precision: 12, scale: 2 }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.orderNumber, t.line] })],
);

const lines = child(orderLines, {
  parentKey: ["orderNumber"],
  rules: { quantity: (quantity) => quantity.min(1), unitPrice: (price) => price.nonNegative() },
});

/** Counts in cents, because JavaScript's numbers round: "19.90" twice is "39.80". */
function totalOf(ordered: readonly { readonly quantity: number; readonly unitPrice: string }[]): string {
  const cents = ordered.reduce((sum, l) => sum + BigInt(l.quantity) * BigInt(l.unitPrice.replace(".", "")), 0n);
  return `${cents / 100n}.${String(cents % 100n).padStart(2, "0")}`;
}

export const order = defineEntity(aggregate(orders, { lines }), {
  name: "order",
  references: { customerId: "customer" },
  replicas: {
    insights: {
      omit: ["note"],
      derive: { total: field.numeric(14, 2, (o) => totalOf(o.lines)) },
    },
  },
});

export type Order = Infer<typeof order>;
