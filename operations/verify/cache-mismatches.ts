/**
 * Compares cache entries of the present epoch with the replica's rows, once. It reads Redis before PostgreSQL, so
 * that a correct entry is never newer than the row.
 */
import type { Redis } from "ioredis";
import { type CacheEntry, cachePrefix, decodeEntry } from "../../contracts/cache-entry.ts";
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { documentOf } from "../../contracts/entity/row.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";

/** Entries that are compared at a time. */
const CHUNK_SIZE = 500;

/** The stores of one entity in one replica. */
export interface CacheStores {
  readonly entity: EntityDeclaration;
  readonly replica: ReplicaDeclaration;
  readonly sql: Sql;
  readonly redis: Redis;
}

/** The replica's row in the form of a cache entry. */
interface CacheableRow {
  /** 0 when the replica has no record of the entity. */
  readonly version: number;
  /** Null when the replica has no row. */
  readonly body: string | null;
}

/** A cache entry that differs from the row. */
export interface CacheMismatch {
  readonly id: EntityId;
  readonly entry: CacheEntry;
  readonly row: CacheableRow;
}

interface Mismatches {
  readonly mismatches: CacheMismatch[];
  /** Number of entries that were compared. */
  readonly compared: number;
}

/**
 * Compares the entries of `ids` with their rows.
 *
 * @returns no mismatches while the cache is off. @throws {Error} when Redis or the database is unavailable.
 */
export async function findCacheMismatches(stores: CacheStores, ids: readonly EntityId[]): Promise<Mismatches> {
  const mismatches: CacheMismatch[] = [];
  let compared = 0;
  for (let i = 0; i < ids.length; i += CHUNK_SIZE) {
    const chunk = await compareChunk(stores, ids.slice(i, i + CHUNK_SIZE));
    mismatches.push(...chunk.mismatches);
    compared += chunk.compared;
  }
  return { mismatches, compared };
}

async function compareChunk(stores: CacheStores, ids: readonly EntityId[]): Promise<Mismatches> {
  const { entity, replica, sql, redis } = stores;
  const epoch = await readActiveEpoch(sql, redis);
  if (epoch === undefined) return { mismatches: [], compared: 0 };
  const prefix = cachePrefix(replica.name, entity.plural);
  const values = await redis.mget(ids.map((id) => `${prefix}:${id}`));
  const entries = new Map<EntityId, CacheEntry>();
  for (const [i, id] of ids.entries()) {
    const entry = decodeEntry(values[i] ?? null, epoch, entity.schemaVersion);
    if (entry) entries.set(id, entry);
  }
  const rows = await readCacheableRows(stores, [...entries.keys()]);
  const mismatches: CacheMismatch[] = [];
  for (const [id, entry] of entries) {
    const row = rows.get(id) ?? { version: 0, body: null };
    if (entry.version !== row.version || entry.body !== row.body) mismatches.push({ id, entry, row });
  }
  return { mismatches, compared: entries.size };
}

async function readCacheableRows(
  { entity, replica, sql }: CacheStores,
  ids: readonly EntityId[],
): Promise<Map<EntityId, CacheableRow>> {
  const rows = await sql<{ id: EntityId; version: string | null; row: Record<string, unknown> | null }[]>`
    select requested.id, coalesce(t.version, v.version) as version, to_jsonb(t) as row
    from unnest(${listText(ids)}::uuid[]) as requested (id)
    left join ${sql(entity.plural)} as t on t.id = requested.id
    left join lockstep.versions as v on v.entity = ${entity.name} and v.id = requested.id`;
  return new Map(
    rows.map(({ id, version, row }) => [
      id,
      { version: Number(version ?? 0), body: row && JSON.stringify(documentOf(replica.fields, row)) },
    ]),
  );
}

/** The epoch whose entries readers use now. Undefined while the cache is off, or on for another Redis server. */
async function readActiveEpoch(sql: Sql, redis: Redis): Promise<number | undefined> {
  const [row] = await sql<{ epoch: string; run_id: string | null }[]>`select epoch, run_id from lockstep.cache_epoch`;
  if (!row || row.run_id === null) return undefined;
  const runId = /run_id:(\w+)/.exec(await redis.info("server"))?.[1];
  return row.run_id === runId ? Number(row.epoch) : undefined;
}
