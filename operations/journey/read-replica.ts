/** The last hops of a journey: each replica's database and its cache. */
import type { Redis } from "ioredis";
import { cachePrefix, decodeEntry, entryKey } from "../../contracts/cache-entry.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { type Connections, connectRedis } from "../connect.ts";

/** The entity in one replica. */
export interface ReplicaHop {
  readonly replica: string;
  /** `routed`: it has a row; `filtered`: its filter rejects the entity; `not arrived`: it has recorded no version. */
  readonly decision: "routed" | "filtered" | "deleted" | "not arrived";
  readonly version: number | null;
  /** When it was applied (ISO 8601); null where the database does not track commit timestamps. */
  readonly appliedAt: string | null;
  /** `current`: the entry is of the present epoch, so readers use it. Null: no entry, or Redis is unavailable. */
  readonly cache: { readonly version: number; readonly current: boolean } | null;
}

interface ReplicaStores {
  readonly sql: Sql;
  readonly redis: Redis | undefined;
}

/** Reads the entity in all replicas. @throws {Error} when a replica's database is unavailable. */
export async function readReplicaHops(
  connections: Connections,
  entity: EntityDeclaration,
  id: EntityId,
): Promise<ReplicaHop[]> {
  const redis = connectRedis(connections.addresses.redis);
  try {
    return await Promise.all(
      entity.replicas.map(({ name }) => readHop({ sql: connections.replica(name), redis }, entity, name, id)),
    );
  } finally {
    redis?.disconnect();
  }
}

async function readHop(
  stores: ReplicaStores,
  entity: EntityDeclaration,
  replica: string,
  id: EntityId,
): Promise<ReplicaHop> {
  // Only an entity that exists in the source has a digest: a deleted row with one was rejected by the filter.
  const [row] = await stores.sql<{ version: string; deleted: boolean; has_digest: boolean; at: Date | null }[]>`
    select version, deleted, digest is not null as has_digest,
      case when current_setting('track_commit_timestamp')::boolean then pg_xact_commit_timestamp(xmin) end as at
    from lockstep.versions where entity = ${entity.name} and id = ${id}`;
  const decision = !row ? "not arrived" : !row.deleted ? "routed" : row.has_digest ? "filtered" : "deleted";
  return {
    replica,
    decision,
    version: row ? Number(row.version) : null,
    appliedAt: row?.at?.toISOString() ?? null,
    cache: await readCacheEntry(stores, entity, replica, id),
  };
}

async function readCacheEntry(
  { sql, redis }: ReplicaStores,
  entity: EntityDeclaration,
  replica: string,
  id: EntityId,
): Promise<ReplicaHop["cache"]> {
  if (!redis) return null;
  try {
    const value = await redis.get(entryKey(cachePrefix(replica, entity), id));
    const epoch = value?.split(" ", 1)[0];
    const entry = epoch ? decodeEntry(value, Number(epoch), entity.schemaVersion) : undefined;
    if (!entry) return null;
    const [row] = await sql<
      { epoch: string; is_on: boolean }[]
    >`select epoch, run_id is not null as is_on from lockstep.cache_epoch`;
    return { version: entry.version, current: row?.is_on === true && row.epoch === epoch };
  } catch {
    return null;
  }
}
