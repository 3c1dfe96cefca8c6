/** Columns that a declaration of a test has beside those that it is about. */
import { bigint, sql, timestamp, uuid } from "../../contracts/entity/columns.ts";

const time = (column: string) => timestamp(column, { precision: 3, withTimezone: true, mode: "string" }).notNull();

/** The first column: a UUID that the database makes. */
export const idColumn = {
  id: uuid().primaryKey().default(sql`uuidv7()`),
};

/** The last columns: those that Lockstep sets. */
export const ownColumns = {
  createdAt: time("created_at"),
  updatedAt: time("updated_at"),
  version: bigint({ mode: "number" }).notNull(),
};

/** The options that name {@link ownColumns}. */
export const ownOptions = { version: "version", createdAt: "createdAt", updatedAt: "updatedAt" } as const;
