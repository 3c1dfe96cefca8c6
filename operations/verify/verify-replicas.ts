/** Verifies the live tables and caches of the chosen entities and replicas, and saves the results. */

import type { Project } from "../../contracts/project.ts";
import { type Connections, connectRedis } from "../connect.ts";
import { liveTarget } from "./comparison-target.ts";
import { saveResults } from "./results.ts";
import { type VerifyDeps, type VerifyResult, verify } from "./verify.ts";

/** What is verified, and how fast. */
export interface VerifyScope {
  /** Undefined: all replicas. */
  readonly replica?: string;
  /** Undefined: all entities. */
  readonly entity?: string;
  /** Whether the caches are compared, too. */
  readonly cache: boolean;
  /** Part of the time that is spent working, above 0 up to 1. */
  readonly share: number;
  /** Seconds that a replica may take to apply all committed changes before the last comparison. */
  readonly within: number;
  /** Compares every row by content, also where digests are equal. */
  readonly everyRow?: boolean;
  /** Skips replicas whose database address is not known. Otherwise their result is unknown. */
  readonly knownOnly?: boolean;
}

/** The collaborators of a verification. */
export interface VerifyContext {
  readonly connections: Connections;
  readonly project: Project;
  /** Reports progress as text, and as counts where there are any. */
  readonly progress: (line: string, compared?: { readonly rows: number; readonly entries: number }) => void;
  /** Ends the verification. */
  readonly signal: AbortSignal;
}

/**
 * Compares everything in `scope`, one entity after the other.
 *
 * @throws {Error} as {@link verify} does.
 */
export async function verifyReplicas(
  { connections, project, progress, signal }: VerifyContext,
  scope: VerifyScope,
): Promise<VerifyResult[]> {
  const redis = scope.cache ? connectRedis(connections.addresses.redis) : undefined;
  try {
    const source = connections.source();
    const log = await connections.log();
    const targetFor: VerifyDeps["targetFor"] = (entity, replica) =>
      liveTarget({ source, replica: connections.replica(replica.name), log }, entity, replica);
    const all: VerifyResult[] = [];
    for (const entity of project.entities.filter(({ name }) => !scope.entity || name === scope.entity)) {
      const replicas = entity.replicas
        .filter(({ name }) => !scope.replica || name === scope.replica)
        .filter(({ name }) => !scope.knownOnly || connections.addresses.replicas.has(name));
      if (replicas.length === 0) continue;
      const results = await verify({ source, targetFor, redis }, entity, replicas, {
        share: scope.share,
        timeoutMs: scope.within * 1_000,
        everyRow: scope.everyRow ?? false,
        signal,
        onProgress: (compared) => {
          const entries = compared.entries > 0 ? ` and ${compared.entries} cache entries` : "";
          progress(`${entity.plural}: ${compared.rows} rows${entries} compared …`, compared);
        },
      });
      // A result without the caches is incomplete, and does not replace a complete one.
      if (scope.cache) await saveResults(source, results);
      all.push(...results);
    }
    return all;
  } finally {
    redis?.disconnect();
  }
}
