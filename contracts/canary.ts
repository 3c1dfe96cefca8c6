/**
 * The canary: one row that the leading relay updates every few seconds. It takes the path of every other entity to all
 * replicas and caches, so that an idle system still reports its latency.
 */
import { bigint, pgTable, timestamp, uuid } from "drizzle-orm/pg-core";
import type { EntityDeclaration } from "./entity/declaration.ts";
import { defineEntity } from "./entity/define-entity.ts";

const time = (column: string) => timestamp(column, { withTimezone: true, mode: "string", precision: 3 }).notNull();

const canaries = pgTable("canaries", {
  id: uuid().primaryKey(),
  beat: bigint({ mode: "number" }).notNull().default(0),
  createdAt: time("created_at"),
  updatedAt: time("updated_at"),
  version: bigint({ mode: "number" }).notNull(),
});

/** Declares the canary for these replicas. It is internal: users see it in no list, route, verification or command. */
export const declareCanary = (replicaNames: readonly string[], namespace: string): EntityDeclaration => ({
  ...defineEntity(canaries, {
    name: "canary",
    internal: true,
    version: "version",
    createdAt: "createdAt",
    updatedAt: "updatedAt",
    rules: { beat: (beat) => beat.min(0) },
    replicas: Object.fromEntries(replicaNames.map((name) => [name, {}])),
  }),
  namespace,
});

/** Id of the canary's only row. One row keeps all of its changes in order. */
export const CANARY_ID = "00000000-0000-7000-8000-000000000000";
