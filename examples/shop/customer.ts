/** A customer. Only the replica `insights` gets customers, with masked names, email addresses and phone numbers. */
import {
  bigint,
  date,
  defineEntity,
  field,
  type Infer,
  integer,
  jsonb,
  mask,
  numeric,
  pgTable,
  sql,
  text,
  timestamp,
  uuid,
} from "lockstep";

export const customers = pgTable("customers", {
  id: uuid().primaryKey().default(sql`uuidv7()`),
  email: text().notNull().unique(),
  name: text().notNull(),
  phone: text(),
  birthday: date({ mode: "string" }),
  /** What the shop owes the customer; negative: what the customer owes. */
  balance: numeric({ precision: 12, scale: 2 }).notNull().default("0.00"),
  preferences: jsonb().$type<{ readonly language?: string; readonly newsletter?: boolean }>().notNull().default({}),
  /** Only for people who work here. */
  notes: text(),
  createdAt: timestamp("created_at", { precision: 3, withTimezone: true, mode: "string" }).notNull(),
  updatedAt: timestamp("updated_at", { precision: 3, withTimezone: true, mode: "string" }).notNull(),
  version: bigint({ mode: "number" }).notNull(),
});

/** Null for a date without a year of our era: `infinity`, `0044-03-15 BC`. */
function yearOf(date: string | null): number | null {
  const year = /^(\d{4,})-\d\d-\d\d$/.exec(date ?? "")?.[1];
  return year === undefined ? null : Number(year);
}

export const customer = defineEntity(customers, {
  name: "customer",
  version: "version",
  createdAt: "createdAt",
  updatedAt: "updatedAt",
  private: ["notes"],
  rules: {
    email: (email) =>
      email
        .min(3)
        .max(254)
        .regex(/^[^@\s]+@[^@\s]+$/),
    name: (name) => name.min(1).max(200),
  },
  example: { email: "ana@example.com", name: "Ana", phone: "+5511999990000", preferences: { language: "pt" } },
  replicas: {
    insights: {
      omit: ["birthday"],
      derive: { birthYear: field.column(integer(), (c) => yearOf(c.birthday)) },
      mask: { email: (email) => `***${email.slice(email.indexOf("@"))}`, name: () => "***", phone: mask.keepLast(4) },
    },
  },
});

export type Customer = Infer<typeof customer>;
export type CustomerInInsights = Infer<typeof customer, "insights">;
