/** The migrations of each replica: the common ones, then its own tables. A released migration is never edited. */
import type { Migration } from "../../platform/postgres/migrate.ts";
import { migrations as catalog } from "../catalog/migrations/index.ts";
import { migrations as storefront } from "../storefront/migrations/index.ts";
import lockstep from "./0001-lockstep.sql" with { type: "text" };
import positions from "./0002-positions.sql" with { type: "text" };
import refusals from "./0003-refusals.sql" with { type: "text" };
import canaries from "./0004-canaries.sql" with { type: "text" };
import incarnation from "./0005-incarnation.sql" with { type: "text" };
import logIncomplete from "./0006-log-incomplete.sql" with { type: "text" };
import rowsAtFault from "./0007-rows-at-fault.sql" with { type: "text" };

const shared: readonly Migration[] = [
  { name: "0001-lockstep", sql: lockstep },
  { name: "0002-positions", sql: positions },
  { name: "0003-refusals", sql: refusals },
  { name: "0004-canaries", sql: canaries },
  { name: "0005-incarnation", sql: incarnation },
  { name: "0006-log-incomplete", sql: logIncomplete },
  { name: "0007-rows-at-fault", sql: rowsAtFault },
];

const own: Readonly<Record<string, readonly Migration[]>> = { catalog, storefront };

/** @throws {Error} when a declared replica has no migrations here. */
export function migrationsOf(replica: string): readonly Migration[] {
  const tables = own[replica];
  if (!tables)
    throw new Error(`replica ${replica} has no migrations: make replicas/${replica}/migrations and name it here`);
  return [...shared, ...tables.map((migration) => ({ ...migration, name: `${replica}/${migration.name}` }))];
}
