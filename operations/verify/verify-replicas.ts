/** Which entities and replicas are verified, and how gently; the result is remembered. */
import { entities } from "../../contracts/entities/index.ts";
import { type Connections, connectRedis } from "../connect.ts";
import { liveTarget } from "./comparison-target.ts";
import { saveResults } from "./results.ts";
import { type VerifyDeps, type VerifyResult, verify } from "./verify.ts";

export interface VerifyScope {
  /** Undefined: all. */
  readonly replica?: string;
  readonly entity?: string;
  /** Look into the caches, too. */
  readonly cache: boolean;
  /** Part of the time that is spent working, above 0 up to 1. */
  readonly share: number;
  /** How long a replica may take to hear of what was just committed, in seconds. */
  readonly within: number;
  readonly everyRow?: boolean;
  /** Leave out replicas of which nobody says where they are, instead of refusing. */
  readonly knownOnly?: boolean;
}

/** How a verification reaches the servers, tells how far it is, and is ended. */
export interface VerifyContext {
  readonly connections: Connections;
  /** Told in words, and in numbers where there are some. */
  readonly progress: (line: string, compared?: { readonly rows: number; readonly entries: number }) => void;
  readonly signal: AbortSignal;
}

/** Compares what is asked for, and remembers the result. @throws as {@link verify} does. */
export async function verifyReplicas(
  { connections, progress, signal }: VerifyContext,
  scope: VerifyScope,
): Promise<VerifyResult[]> {
  const redis = scope.cache ? connectRedis(connections.addresses.redis) : undefined;
  try {
    const source = connections.source();
    const log = await connections.log();
    const targetFor: VerifyDeps["targetFor"] = (entity, replica) =>
      liveTarget({ source, replica: connections.replica(replica.name), log }, entity, replica);
    const verified: VerifyResult[] = [];
    for (const entity of entities.filter(({ name }) => !scope.entity || name === scope.entity)) {
      const replicas = entity.replicas
        .filter(({ name }) => !scope.replica || name === scope.replica)
        .filter(({ name }) => !scope.knownOnly || connections.addresses.replicas.has(name));
      if (replicas.length === 0) continue;
      const results = await verify({ source, targetFor, redis }, entity, replicas, {
        share: scope.share,
        timeoutMs: scope.within * 1_000,
        everyRow: scope.everyRow ?? false,
        signal,
        onProgress: ({ rows, entries }) =>
          progress(`${entity.plural}: ${rows} rows${entries > 0 ? ` and ${entries} cached` : ""} compared …`, {
            rows,
            entries,
          }),
      });
      // A result without the caches would stand for more than it is.
      if (scope.cache) await saveResults(source, results);
      verified.push(...results);
    }
    return verified;
  } finally {
    redis?.disconnect();
  }
}
