/** Wires one replica: its PostgreSQL, its cache, the log, its HTTP reads. Any number of processes may run the same replica. */
import { entities } from "../contracts/entities/index.ts";
import type { EntityDeclaration, ReplicaDeclaration } from "../contracts/entity.ts";
import { replicaGroup, topicsOf } from "../contracts/topics.ts";
import { serveHttp, serviceApp } from "../platform/http.ts";
import { connectLog } from "../platform/log/kafkajs/index.ts";
import type { Follower } from "../platform/log/log.ts";
import { migrate } from "../platform/migrate.ts";
import type { Running } from "../platform/run.ts";
import type { Service } from "../platform/service.ts";
import { Applier } from "./applier.ts";
import { applyChanges, type Change, type Hold, prepareTable } from "./apply.ts";
import { Cache } from "./cache/cache.ts";
import { CacheEpoch } from "./cache/epoch.ts";
import { Keeper } from "./cache/keeper.ts";
import { connectDatabases, connectRedisLinks } from "./connections.ts";
import { EntityFollower } from "./follow.ts";
import { healthChecks } from "./health.ts";
import { Lag } from "./lag.ts";
import { migrationsOf } from "./migrations/index.ts";
import { Lookup } from "./reads/lookup.ts";
import { addReads } from "./reads/routes.ts";
import { Rows } from "./reads/rows.ts";

/** What is fetched at a time bounds the memory; a statement takes 2,000 rows at most anyway. */
const FETCH_BYTES = 131_072;

/** @throws {Error} when DATABASE_URL is missing, or the database or brokers cannot be reached at the start. */
export async function startReplica({ settings, logger, metrics }: Running, name: string): Promise<Service> {
  const url = settings.DATABASE_URL;
  if (!url) throw new Error(`DATABASE_URL is not set: replica ${name} needs a PostgreSQL of its own`);
  const kept = keptBy(name);
  const databases = connectDatabases(url, name, settings, kept.length);
  const redis = settings.REDIS_URL ? connectRedisLinks(settings.REDIS_URL, name, logger) : undefined;

  let follower: Follower | undefined;
  const lag = new Lag(() => follower?.fetchAgeMs());
  const epoch = new CacheEpoch(databases.epoch, (seen) => metrics.cacheEpoch.set({ replica: name }, seen.epoch));
  const parts = kept.map(({ entity, replica }) => {
    const cache: Cache = new Cache(
      { redis, epoch, logger },
      { replica: name, collection: entity.plural, ttlSeconds: replica.cacheTtlSeconds },
      (lost) => void keeper.lost(lost),
    );
    const rows = new Rows(databases.reads, entity, replica);
    const apply = (changes: readonly Change[], hold: Hold) =>
      applyChanges(databases.applies, entity.plural, changes, hold);
    const applier = new Applier({ apply, cache, epoch, logger }, replica);
    const following = new EntityFollower({ applier, lag, logger, metrics }, entity, replica);
    return { entity, replica, cache, rows, following, lookup: new Lookup(cache, rows) };
  });
  const keeper = new Keeper({ epoch, redis, caches: parts.map(({ cache }) => cache), logger });

  const health = healthChecks({ follower: () => follower, epoch, redis });
  const app = serviceApp({ checks: health.checks, metrics, logger });
  for (const { entity, lookup, rows } of parts)
    addReads(app, { lookup, rows, metrics, lagMs: () => lag.ms(Date.now()) }, entity, name);
  const http = serveHttp(app, settings);

  await migrate(url, migrationsOf(name), logger);
  for (const { entity, replica } of kept) await prepareTable(databases.applies, entity, replica);
  await epoch.refresh();
  epoch.start((error) => {
    health.databaseAnswered(error);
    if (error === undefined) void keeper.tend();
  });
  const log = await connectLog({ brokers: settings.KAFKA_BROKERS, clientId: `lockstep-replica-${name}`, logger });
  await log.ensureTopics(entities.flatMap(topicsOf), {
    partitions: settings.LOCKSTEP_PARTITIONS,
    replicationFactor: settings.LOCKSTEP_REPLICATION_FACTOR,
    minInSyncReplicas: settings.LOCKSTEP_MIN_IN_SYNC,
  });
  const byTopic = new Map(parts.map(({ following }) => [following.topic, following]));
  const followed = await log.follow({
    group: replicaGroup(name),
    topics: [...byTopic.keys()],
    onBatch: async (batch) => byTopic.get(batch.topic)?.process(batch),
    onRevoked: (partitions) => lag.revoked(partitions),
    maxBytesPerPartition: FETCH_BYTES,
    ...(settings.LOCKSTEP_INSTANCE ? { instance: settings.LOCKSTEP_INSTANCE } : {}),
    onGap: (at, from, to) => {
      metrics.inputGaps.inc({ group: replicaGroup(name) });
      logger.error({ ...at, from, to }, "the log no longer holds these changes: verify the replica");
    },
  });
  follower = followed;

  return {
    ended: followed.ended,
    async stop() {
      await followed.close();
      await log.close();
      await http.stop();
      epoch.stop();
      redis?.close();
      await databases.close();
    },
  };
}

/** @throws {Error} when no entity has the replica. */
function keptBy(name: string): { entity: EntityDeclaration; replica: ReplicaDeclaration }[] {
  const kept = entities.flatMap((entity) =>
    entity.replicas.filter((replica) => replica.name === name).map((replica) => ({ entity, replica })),
  );
  if (kept.length === 0) throw new Error(`no entity has a replica ${name}`);
  return kept;
}
