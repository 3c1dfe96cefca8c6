/** Rebuilding a replica by its name, for the verb `lockstep rebuild`. */
import { connectDedicated } from "../../../platform/postgres/connect.ts";
import { keptBy } from "../../replica.ts";
import { type Rebuilt, rebuild as rebuildTables } from "./rebuild.ts";
import { dropOld as dropOldTables } from "./tables.ts";

/** @throws as {@link rebuildTables} does. */
export const rebuild = (name: string, deps: Parameters<typeof rebuildTables>[0]): Promise<Rebuilt> =>
  rebuildTables(deps, keptBy(name));

/** Drops the tables of before the last rebuild. @returns whether there were any. */
export async function dropOld(databaseUrl: string): Promise<boolean> {
  const sql = connectDedicated(databaseUrl, "lockstep-rebuild");
  try {
    return await dropOldTables(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
