/** Rebuilds a replica by its name: implements `RebuildApi` of pipeline/rebuild.ts. */
import type { RebuildOptions, RebuildResult } from "../../../pipeline/rebuild.ts";
import { connectDedicated } from "../../../platform/postgres/connect.ts";
import { replicatedEntities } from "../../replicated-entities.ts";
import { rebuildTables } from "./rebuild.ts";
import { dropOldSchema } from "./tables.ts";

/** Rebuilds all tables of a replica. @throws as {@link rebuildTables} does; {Error} when no entity has the replica. */
export const rebuild = (replica: string, options: RebuildOptions): Promise<RebuildResult> =>
  rebuildTables(options, replicatedEntities(options.project, replica));

/**
 * Drops the tables that the last rebuild replaced.
 *
 * @returns false when there were none.
 * @throws the database's error.
 */
export async function dropOldTables(databaseUrl: string): Promise<boolean> {
  const sql = connectDedicated(databaseUrl, "lockstep-rebuild");
  try {
    return await dropOldSchema(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
