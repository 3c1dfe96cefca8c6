/** The long operations as jobs: the verbs' own work, told in numbers. */
import { RequestError } from "../../../contracts/errors.ts";
import type { Connections } from "../../../operations/connect.ts";
import { type Rebuilding, rebuildAndCompare } from "../../../operations/rebuild/rebuild.ts";
import { verifyAndRepair } from "../../../operations/repair/verify-and-repair.ts";
import type { VerifyResult } from "../../../operations/verify/verify.ts";
import { verifyReplicas } from "../../../operations/verify/verify-replicas.ts";
import type { Job, JobContext, Jobs } from "../actions/jobs.ts";

interface WorkParts {
  readonly connections: Connections;
  readonly jobs: Jobs;
  readonly rebuilding: Rebuilding;
}

/** Somebody waits for it: it may work half of the time. */
const SCOPE = { cache: true, share: 0.5, within: 15, knownOnly: true } as const;

/** How long what was just committed may take to reach the log's end before new tables are switched. */
const REBUILD_WITHIN_MS = 60_000;

const rowsOf =
  ({ progress }: JobContext) =>
  (_line: string, compared?: { readonly rows: number }): void =>
    progress(compared?.rows ?? 0);

const totals = (verified: readonly VerifyResult[]): Record<string, number> => ({
  rows: verified.reduce((sum, { rows }) => sum + rows, 0),
  entries: verified.reduce((sum, { entries }) => sum + entries, 0),
  differing: verified.reduce((sum, { differences }) => sum + differences.length, 0),
  behind: verified.filter(({ behind }) => behind).length,
});

/** @throws {RequestError} CONFLICT when one runs already. */
export const startVerification = ({ connections, jobs }: WorkParts): Job =>
  jobs.start("verify", null, async (context) => {
    const { signal } = context;
    return totals(await verifyReplicas({ connections, progress: rowsOf(context), signal }, SCOPE));
  });

/** @throws {RequestError} CONFLICT when one runs already. */
export const startRepair = ({ connections, jobs }: WorkParts): Job =>
  jobs.start("repair", null, async (context) => {
    const { signal } = context;
    const done = await verifyAndRepair({ connections, progress: rowsOf(context), signal }, SCOPE);
    return { ...totals(done.results), sent: done.sent, left: done.remaining.length };
  });

/**
 * The tables of before the last rebuild go first: they would stand in the way.
 *
 * @throws {RequestError} CONFLICT when one of this replica runs already, UNAVAILABLE when nobody says where its database is.
 */
export function startRebuild({ connections, jobs, rebuilding }: WorkParts, replica: string): Job {
  const databaseUrl = connections.addresses.replicas.get(replica);
  if (!databaseUrl) throw new RequestError("UNAVAILABLE", `Nobody says where the database of ${replica} is.`);
  return jobs.start("rebuild", replica, async (context) => {
    await rebuilding.dropOld(databaseUrl);
    const { signal, progress } = context;
    const onProgress = ({ done, total }: { done: number; total: number }) => progress(done, total);
    const { rebuilt, verified } = await rebuildAndCompare(
      rebuilding,
      { connections, signal, progress: rowsOf(context), onProgress },
      { name: replica, databaseUrl },
      { compare: true, repair: false, anew: false, timeoutMs: REBUILD_WITHIN_MS },
    );
    const { records, rows, refused, switched } = rebuilt;
    const { differing = 0, behind = 0 } = totals(verified);
    if (!switched)
      throw new Error(
        `${differing} rows of the new tables are not what the source has${behind > 0 ? ", and not everything has arrived" : ""}: the live tables stay as they are. lockstep rebuild ${replica} names the rows.`,
      );
    return { records, rows, refused };
  });
}
