/** Tables of a small lending library, as a team that uses Drizzle declares them. */
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  date,
  index,
  integer,
  jsonb,
  numeric,
  pgSchema,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";

export const library = pgSchema("library");
export const loanState = library.enum("loan_state", ["open", "returned", "lost"]);

export const members = library.table(
  "members",
  {
    id: uuid().primaryKey().defaultRandom(),
    email: varchar({ length: 200 }).notNull(),
    name: text(),
    fee: numeric({ precision: 10, scale: 2 }).notNull().default("0.00"),
    preferences: jsonb().notNull().default({}),
    tags: text().array().notNull().default(sql`'{}'`),
    isActive: boolean("is_active").notNull().default(true),
    // The library's own meaning: since when somebody is a member.
    createdAt: timestamp("created_at", { withTimezone: true }).notNull().defaultNow(),
    updatedAt: timestamp("updated_at", { withTimezone: true })
      .notNull()
      .defaultNow()
      .$onUpdate(() => new Date()),
  },
  (table) => [uniqueIndex("members_email").on(sql`lower(${table.email})`)],
);

export const books = library.table("books", {
  isbn: text().primaryKey(),
  title: text().notNull(),
  pages: integer(),
  copies: bigint({ mode: "bigint" }).notNull().default(sql`1`),
  published: date(),
});

/** The key is a member, a book and a day. */
export const loans = library.table(
  "loans",
  {
    memberId: uuid("member_id")
      .notNull()
      .references(() => members.id, { onDelete: "cascade" }),
    isbn: text()
      .notNull()
      .references(() => books.isbn, { onUpdate: "cascade" }),
    lentOn: date("lent_on").notNull(),
    state: loanState().notNull().default("open"),
  },
  (table) => [primaryKey({ columns: [table.memberId, table.isbn, table.lentOn] }), index().on(table.isbn)],
);
