/** The long operations as jobs: the verbs' own work, told in numbers. */
import { LockstepError } from "../../../contracts/errors.ts";
import type { Connections } from "../../connect.ts";
import type { Rebuilding } from "../../rebuild/command.ts";
import { verifyAndRepair } from "../../repair/verify-and-repair.ts";
import { verifyScope } from "../../verify/scope.ts";
import type { Verified } from "../../verify/verify.ts";
import type { Job, JobContext, Jobs } from "../acts/jobs.ts";

interface WorkParts {
  readonly connections: Connections;
  readonly jobs: Jobs;
  readonly rebuilding: Rebuilding;
}

/** Somebody waits for it: it may work half of the time. */
const SCOPE = { cache: true, share: 0.5, within: 15, knownOnly: true } as const;

const rowsOf =
  ({ progress }: JobContext) =>
  (_line: string, compared?: { readonly rows: number }): void =>
    progress(compared?.rows ?? 0);

const totals = (verified: readonly Verified[]): Record<string, number> => ({
  rows: verified.reduce((sum, { rows }) => sum + rows, 0),
  entries: verified.reduce((sum, { entries }) => sum + entries, 0),
  differing: verified.reduce((sum, { differences }) => sum + differences.length, 0),
  behind: verified.filter(({ behind }) => behind).length,
});

/** @throws {LockstepError} CONFLICT when one runs already. */
export const startVerification = ({ connections, jobs }: WorkParts): Job =>
  jobs.start("verify", null, async (context) => {
    const { signal } = context;
    return totals(await verifyScope({ connections, progress: rowsOf(context), signal }, SCOPE));
  });

/** @throws {LockstepError} CONFLICT when one runs already. */
export const startRepair = ({ connections, jobs }: WorkParts): Job =>
  jobs.start("repair", null, async (context) => {
    const { signal } = context;
    const done = await verifyAndRepair({ connections, progress: rowsOf(context), signal }, SCOPE);
    return { ...totals(done.verified), sent: done.sent, left: done.left.length };
  });

/**
 * The tables of before the last rebuild go first: they would stand in the way.
 *
 * @throws {LockstepError} CONFLICT when one of this replica runs already, UNAVAILABLE when nobody says where its database is.
 */
export function startRebuild({ connections, jobs, rebuilding }: WorkParts, replica: string): Job {
  const databaseUrl = connections.addresses.replicas.get(replica);
  if (!databaseUrl) throw new LockstepError("UNAVAILABLE", `Nobody says where the database of ${replica} is.`);
  return jobs.start("rebuild", replica, async ({ signal, progress }) => {
    await rebuilding.dropOld(databaseUrl);
    const onProgress = ({ done, total }: { done: number; total: number }) => progress(done, total);
    const rebuilt = await rebuilding.rebuild(replica, {
      databaseUrl,
      log: await connections.log(),
      signal,
      onProgress,
    });
    const { records, rows, refused } = rebuilt;
    return { records, rows, refused };
  });
}
