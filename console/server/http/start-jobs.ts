/** Starts verify, repair and rebuild as jobs, with the same code as the commands. A result consists of figures. */
import { RequestError } from "../../../contracts/errors.ts";
import type { Project } from "../../../contracts/project.ts";
import type { Connections } from "../../../operations/connect.ts";
import { rebuildAndCompare } from "../../../operations/rebuild/rebuild.ts";
import { verifyAndRepair } from "../../../operations/repair/verify-and-repair.ts";
import type { VerifyResult } from "../../../operations/verify/verify.ts";
import { verifyReplicas } from "../../../operations/verify/verify-replicas.ts";
import type { LoadRebuild } from "../../../pipeline/rebuild.ts";
import type { Job, JobContext, JobRunner } from "../actions/jobs.ts";

interface JobDeps {
  readonly connections: Connections;
  readonly project: Project;
  readonly jobs: JobRunner;
  readonly loadRebuild: LoadRebuild;
}

/** A user waits for the result, so a job works half of the time (`share`); periodic verification works less. */
const SCOPE = { cache: true, share: 0.5, within: 15, knownOnly: true } as const;

/** A rebuild waits this long for the latest commits to reach the log before it switches to the new tables. */
const REBUILD_CATCH_UP_TIMEOUT_MS = 60_000;

const reportRows =
  ({ progress }: JobContext) =>
  (_line: string, compared?: { readonly rows: number }): void =>
    progress(compared?.rows ?? 0);

const totalsOf = (verified: readonly VerifyResult[]): Record<string, number> => ({
  rows: verified.reduce((sum, { rows }) => sum + rows, 0),
  entries: verified.reduce((sum, { entries }) => sum + entries, 0),
  differing: verified.reduce((sum, { differences }) => sum + differences.length, 0),
  behind: verified.filter(({ behind }) => behind).length,
});

/** Starts a verification of all replicas. @throws {RequestError} CONFLICT when one is running. */
export const startVerification = ({ connections, project, jobs }: JobDeps): Job =>
  jobs.start("verify", null, async (context) => {
    const { signal } = context;
    return totalsOf(await verifyReplicas({ connections, project, progress: reportRows(context), signal }, SCOPE));
  });

/**
 * Starts a verification of all replicas and repairs the differences.
 *
 * @throws {RequestError} CONFLICT when one is running.
 */
export const startRepair = ({ connections, project, jobs }: JobDeps): Job =>
  jobs.start("repair", null, async (context) => {
    const { signal } = context;
    const { results, sent, remaining } = await verifyAndRepair(
      { connections, project, progress: reportRows(context), signal },
      SCOPE,
    );
    return { ...totalsOf(results), sent, left: remaining.length };
  });

/**
 * Starts a rebuild of one replica. First it drops the old tables of an earlier rebuild, because it needs their names.
 *
 * @throws {RequestError} CONFLICT when a rebuild of it is running; UNAVAILABLE when its database is not configured.
 */
export function startRebuild({ connections, project, jobs, loadRebuild }: JobDeps, replica: string): Job {
  const databaseUrl = connections.addresses.replicas.get(replica);
  if (!databaseUrl)
    throw new RequestError(
      "UNAVAILABLE",
      `The database of ${replica} is not configured; add it to LOCKSTEP_REPLICA_DATABASE_URLS.`,
    );
  return jobs.start("rebuild", replica, async (context) => {
    await (await loadRebuild()).dropOldTables(databaseUrl);
    const { signal, progress } = context;
    const onProgress = ({ done, total }: { done: number; total: number }) => progress(done, total);
    const { rebuilt, verified } = await rebuildAndCompare(
      loadRebuild,
      { connections, project, signal, progress: reportRows(context), onProgress },
      { name: replica, databaseUrl },
      { compare: true, repair: false, restart: false, timeoutMs: REBUILD_CATCH_UP_TIMEOUT_MS },
    );
    const { records, rows, refused, switched } = rebuilt;
    if (!switched) throw new Error(notSwitchedText(replica, verified));
    return { records, rows, refused };
  });
}

function notSwitchedText(replica: string, verified: readonly VerifyResult[]): string {
  const { differing = 0, behind = 0 } = totalsOf(verified);
  const late = behind > 0 ? ", and some commits have not arrived yet" : "";
  const advice = `lockstep rebuild ${replica} lists the rows`;
  return `${differing} rows of the new tables differ from the source${late}. The live tables stay in use; ${advice}.`;
}
