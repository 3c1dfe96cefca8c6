/** A rebuild as operations run it: filled by the replicas' own code, compared with the source, and switched when the two are equal. */
import type { Log } from "../../kafka/log.ts";
import { saveResults } from "../verify/results.ts";
import type { VerifyResult } from "../verify/verify.ts";
import type { VerifyContext } from "../verify/verify-replicas.ts";
import { type CompareOptions, compareFilled, type Filled } from "./compare.ts";

/** What the replicas' room offers. */
export interface Rebuilding {
  rebuild(
    name: string,
    deps: {
      databaseUrl: string;
      log: Log;
      signal: AbortSignal;
      onProgress: (progress: { done: number; total: number }) => void;
      anew: boolean;
      approve?: (filled: Filled) => Promise<boolean>;
    },
  ): Promise<Rebuilt>;
  /** @returns whether there was anything to drop. */
  dropOld(databaseUrl: string): Promise<boolean>;
}

/** What came of a rebuild, in the words of the replicas' room. */
export interface Rebuilt {
  readonly records: number;
  readonly rows: number;
  readonly seconds: number;
  readonly resumedAt: number;
  readonly refused: number;
  readonly switched: boolean;
}

export interface RebuildContext extends VerifyContext {
  readonly onProgress: (progress: { done: number; total: number }) => void;
}

export interface RebuildOptions extends CompareOptions {
  /** False: switch on the rebuild's own checks. */
  readonly compare: boolean;
  readonly anew: boolean;
}

/**
 * @returns also what the comparison found; the live tables are left as they are when that is anything.
 * @throws what stands in the way, and when a database or the log does not answer: nothing is switched then, and the next run goes on.
 */
export async function rebuildAndCompare(
  { rebuild }: Rebuilding,
  context: RebuildContext,
  { name, databaseUrl }: { readonly name: string; readonly databaseUrl: string },
  options: RebuildOptions,
): Promise<{ rebuilt: Rebuilt; verified: readonly VerifyResult[] }> {
  const { connections, signal, onProgress } = context;
  let verified: readonly VerifyResult[] = [];
  const approve = async (filled: Filled) => {
    verified = await compareFilled(context, name, filled, options);
    return verified.every(({ differences, behind }) => differences.length === 0 && !behind);
  };
  const deps = { databaseUrl, log: await connections.log(), signal, onProgress, anew: options.anew };
  const rebuilt = await rebuild(name, { ...deps, ...(options.compare ? { approve } : {}) });
  // The switch leaves nothing of the cache that could be served: this is the whole of what can differ.
  if (rebuilt.switched) await saveResults(connections.source(), verified);
  return { rebuilt, verified };
}
