/** Rebuilds a replica: fills new tables, compares them with the source, and switches if they are equal. */
import type { FilledTables, LoadRebuild, RebuildProgress, RebuildResult } from "../../pipeline/rebuild.ts";
import { saveResults } from "../verify/results.ts";
import { type VerifyResult, verdictOf } from "../verify/verify.ts";
import type { VerifyContext } from "../verify/verify-replicas.ts";
import { type CompareOptions, compareFilled } from "./compare.ts";

/** How a rebuild reaches the servers, reports progress, and is interrupted. */
export interface RebuildContext extends VerifyContext {
  readonly onProgress: (progress: RebuildProgress) => void;
}

/** Options of {@link rebuildAndCompare}. */
export interface RebuildAndCompareOptions extends CompareOptions {
  /** False: switch without a comparison, on the rebuild's own checks. */
  readonly compare: boolean;
  /** Start with empty tables instead of resuming an interrupted rebuild. */
  readonly restart: boolean;
}

/**
 * Rebuilds a replica and switches to the new tables if they equal the source.
 *
 * @returns the result, and what the comparison found. After any difference the live tables are unchanged.
 * @throws {UserError} when something has to be removed or repaired first.
 * @throws the database's or the log's error. Nothing is switched, and the next run resumes.
 */
export async function rebuildAndCompare(
  loadRebuild: LoadRebuild,
  context: RebuildContext,
  { name, databaseUrl }: { readonly name: string; readonly databaseUrl: string },
  options: RebuildAndCompareOptions,
): Promise<{ rebuilt: RebuildResult; verified: readonly VerifyResult[] }> {
  const { connections, project, signal, onProgress } = context;
  let verified: readonly VerifyResult[] = [];
  const approve = async (filled: FilledTables) => {
    verified = await compareFilled(context, name, filled, options);
    return verified.every((result) => verdictOf(result) === "equal");
  };
  const { rebuild } = await loadRebuild();
  const rebuilt = await rebuild(name, {
    project,
    databaseUrl,
    log: await connections.log(),
    signal,
    onProgress,
    restart: options.restart,
    ...(options.compare ? { approve } : {}),
  });
  // The switch empties the cache, so the tables are all that a verification could compare.
  if (rebuilt.switched) await saveResults(connections.source(), verified);
  return { rebuilt, verified };
}
