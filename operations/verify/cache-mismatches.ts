/**
 * Compares cache entries of the present epoch with the replica's rows, once. It reads Redis before PostgreSQL, so
 * that a correct entry is never newer than the row.
 */
import type { Redis } from "ioredis";
import { type CacheEntry, cachePrefix, decodeEntry, entryKey } from "../../contracts/cache-entry.ts";
import type { ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document, EntityId } from "../../contracts/entity/document.ts";
import { parseDocument } from "../../contracts/entity/parse.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import type { ReplicaTables } from "./comparison-target.ts";
import { hasSameValue } from "./declared-table.ts";
import { queryReplica } from "./query-replica.ts";
import { readReplicaRows } from "./read-rows.ts";

/** Entries that are compared at a time. */
const CHUNK_SIZE = 500;

/** The stores of one entity in one replica. */
export interface CacheStores {
  readonly source: Sql;
  readonly tables: ReplicaTables;
  readonly redis: Redis;
}

/** The replica's row in the form of a cache entry. */
interface CacheableRow {
  /** 0 when the replica has no record of the entity. */
  readonly version: number;
  /** As the replica's PostgreSQL renders it. Null when the replica has no row. */
  readonly document: Document | null;
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
  const { tables, redis } = stores;
  const { entity, replica } = tables;
  const epoch = await readActiveEpoch(tables, redis);
  if (epoch === undefined) return { mismatches: [], compared: 0 };
  const prefix = cachePrefix(replica.name, entity);
  const values = await redis.mget(ids.map((id) => entryKey(prefix, id)));
  const entries = new Map<EntityId, CacheEntry>();
  for (const [i, id] of ids.entries()) {
    const entry = decodeEntry(values[i] ?? null, epoch, entity.schemaVersion);
    if (entry) entries.set(id, entry);
  }
  const rows = await readCacheableRows(stores, [...entries.keys()]);
  const mismatches: CacheMismatch[] = [];
  for (const [id, entry] of entries) {
    const row = rows.get(id)!;
    if (entry.version !== row.version || !hasDocument(replica, entry, row.document))
      mismatches.push({ id, entry, row });
  }
  return { mismatches, compared: entries.size };
}

async function readCacheableRows(
  { source, tables }: CacheStores,
  ids: readonly EntityId[],
): Promise<Map<EntityId, CacheableRow>> {
  const rows = await readReplicaRows(source, tables, ids);
  return new Map(
    [...rows].map(([id, { replicaRow, heardVersion }]) => [
      id,
      { version: replicaRow?.version ?? heardVersion ?? 0, document: replicaRow?.document ?? null },
    ]),
  );
}

function hasDocument(replica: ReplicaDeclaration, { body }: CacheEntry, document: Document | null): boolean {
  if (body === null || document === null) return body === document;
  try {
    return hasSameValue(parseDocument(replica, body), document);
  } catch {
    return false;
  }
}

/** The epoch whose entries readers use now. Undefined while the cache is off, or on for another Redis server. */
async function readActiveEpoch(tables: ReplicaTables, redis: Redis): Promise<number | undefined> {
  const query = "select epoch::text, run_id from lockstep.cache_epoch";
  const [row] = await queryReplica<{ epoch: string; run_id: string | null }>(tables, query, []);
  if (!row || row.run_id === null) return undefined;
  const runId = /run_id:(\w+)/.exec(await redis.info("server"))?.[1];
  return row.run_id === runId ? Number(row.epoch) : undefined;
}
