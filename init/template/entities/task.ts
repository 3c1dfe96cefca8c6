/** A task. The gateway has every task, the replica "board" has the open ones, and nobody but the gateway sees notes. */
import { bigint, defineEntity, pgTable, sql, text, timestamp, uuid } from "lockstep";

const time = (column: string) => timestamp(column, { precision: 3, withTimezone: true, mode: "string" }).notNull();

const tasks = pgTable("tasks", {
  id: uuid().primaryKey().default(sql`uuidv7()`),
  title: text().notNull(),
  status: text({ enum: ["open", "done"] })
    .notNull()
    .default("open"),
  notes: text().notNull().default(""),
  createdAt: time("created_at"),
  updatedAt: time("updated_at"),
  version: bigint({ mode: "number" }).notNull(),
});

export const task = defineEntity(tasks, {
  name: "task",
  version: "version",
  createdAt: "createdAt",
  updatedAt: "updatedAt",
  private: ["notes"],
  rules: { title: (title) => title.min(1).max(200), notes: (notes) => notes.max(10_000) },
  example: { title: "Water the plants" },
  replicas: { board: { where: ({ status }) => status === "open" } },
});
