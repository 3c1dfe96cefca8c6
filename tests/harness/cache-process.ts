/** What one process of a replica has around its database and cache, on a real PostgreSQL and a real Redis, without the log. */
import type { Logger } from "../../observability/logger.ts";
import type { Change } from "../../replicas/apply/apply.ts";
import { type KeptEntity, Replica } from "../../replicas/replica.ts";
import { entity, replicaOf, silent } from "./replica.ts";

export interface CacheProcess extends Pick<KeptEntity, "applier" | "lookup" | "rows" | "freshness">, AsyncDisposable {
  readonly replica: Replica;
  /** One batch all the way. @returns whether it is in the cache. */
  take(changes: readonly Change[]): Promise<boolean>;
}

/** @param name distinguishes the keys of tests that share a Redis. */
export async function startCacheProcess(
  databaseUrl: string,
  redisUrl: string | undefined,
  name: string,
  logger: Logger = silent,
): Promise<CacheProcess> {
  const kept = [{ entity, replica: replicaOf("catalog") }];
  const settings = { name, databaseUrl, redisUrl, kept, connections: 10, statementTimeoutMs: 10_000 };
  const replica = new Replica(settings, logger);
  await replica.start();
  const { applier, lookup, rows, freshness } = replica.entities[0]!;
  return {
    replica,
    applier,
    lookup,
    rows,
    freshness,
    async take(changes) {
      const applied = await applier.apply(changes);
      return await applied.store();
    },
    [Symbol.asyncDispose]: () => replica.close(),
  };
}
