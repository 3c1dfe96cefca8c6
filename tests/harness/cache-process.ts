/** Runs one process of a replica with its database and cache, on PostgreSQL and Redis, without the log. */
import type { Logger } from "../../observability/logger.ts";
import type { Change } from "../../replicas/apply/apply.ts";
import { type EntityReplica, Replica } from "../../replicas/replica.ts";
import type { ReplicatedEntity } from "../../replicas/replicated-entities.ts";
import { entity, replicaOf, silentLogger } from "./replica.ts";

/** The parts of the process that tests call. Disposing it closes them. */
export interface CacheProcess
  extends Pick<EntityReplica, "applier" | "cacheWriter" | "lookup" | "rows" | "freshness">,
    AsyncDisposable {
  readonly replica: Replica;
  /** Applies a batch and writes it to the cache. @returns true when the cache contains it. */
  applyAndCache(changes: readonly Change[]): Promise<boolean>;
}

interface CacheProcessOptions {
  readonly logger?: Logger;
  readonly replicated?: ReplicatedEntity;
  readonly statementTimeoutMs?: number;
}

/**
 * Starts the process.
 *
 * @param redisUrl undefined: without a cache.
 * @param name part of the Redis keys; separates tests that share a Redis.
 * @param options.replicated the entity and its replica; default: product in the catalog.
 * @param options.statementTimeoutMs default 10 s.
 */
export async function startCacheProcess(
  databaseUrl: string,
  redisUrl: string | undefined,
  name: string,
  options: CacheProcessOptions = {},
): Promise<CacheProcess> {
  const { logger = silentLogger, statementTimeoutMs = 10_000 } = options;
  const entities = [options.replicated ?? { entity, replica: replicaOf("catalog") }];
  const settings = { name, databaseUrl, redisUrl, entities, connections: 10, statementTimeoutMs };
  const replica = new Replica(settings, logger);
  await replica.start();
  const { applier, cacheWriter, lookup, rows, freshness } = replica.entities[0]!;
  return {
    replica,
    applier,
    cacheWriter,
    lookup,
    rows,
    freshness,
    async applyAndCache(changes) {
      return await cacheWriter.store(await applier.apply(changes));
    },
    [Symbol.asyncDispose]: () => replica.close(),
  };
}
