/** Ends the conditions `events-lost` and `records-lost`. */
import type { Sql } from "postgres";
import { CLEARED_LOSSES_KEY, encodeClearedLosses } from "../contracts/control.ts";
import { type ControlDeps, writeControl } from "./pause/control.ts";

/**
 * States that everything that topics had lost is in them again. Call it only after every row of the source was sent
 * again and the replicas were compared with it. Relay and stream see it within 5 seconds.
 *
 * @param sql connection to the source.
 * @param until losses that were found later stay. No topic may have lost records between the first row that was sent
 * again and this time (resync/log-state.ts).
 * @throws {Error} when the source or the log is unavailable.
 */
export async function clearLosses({ sql, ...deps }: ControlDeps & { readonly sql: Sql }, until: Date): Promise<void> {
  await writeControl(deps, CLEARED_LOSSES_KEY, encodeClearedLosses(until));
  await sql`select lockstep.clear_lost_events(${until.toISOString()}::timestamptz)`;
}
