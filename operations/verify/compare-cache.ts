/**
 * Compares a replica's cache with its database, by the keys that are in Redis. It therefore also finds entries for ids
 * that the replica's database does not have.
 */

import { cachePrefix, idOfEntryKey } from "../../contracts/cache-entry.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { readKey } from "../../contracts/entity/key.ts";
import { sleep } from "../../platform/async/sleep.ts";
import { type CacheMismatch, type CacheStores, findCacheMismatches } from "./cache-mismatches.ts";
import type { Difference } from "./difference.ts";

/** Approximate number of keys that one SCAN returns. */
const SCAN_COUNT = 1_000;
/** Long enough for an apply in progress to replace the entries that it invalidated. */
const RECHECK_DELAY_MS = 300;

/**
 * Compares all entries of one entity.
 *
 * @param onPage called after each page of keys with the number of entries compared in it.
 * @returns the wrong entries; none while the replica does not use its cache.
 * @throws {Error} when Redis or the database is unavailable, or whatever `onPage` throws.
 */
export async function compareCache(
  stores: CacheStores,
  onPage: (entries: number) => Promise<void>,
): Promise<Difference[]> {
  const { entity, replica } = stores.tables;
  const prefix = cachePrefix(replica.name, entity);
  const keyed = entity;
  const mismatches = new Map<EntityId, CacheMismatch>();
  let cursor = "0";
  do {
    const [next, keys] = await stores.redis.scan(cursor, "MATCH", `${prefix}:*`, "COUNT", SCAN_COUNT);
    const ids = keys.flatMap((key) => idOfEntryKey(prefix, key) ?? []).filter((id) => readKey(keyed, id) === id);
    const page = await findCacheMismatches(stores, ids);
    for (const mismatch of page.mismatches) mismatches.set(mismatch.id, mismatch);
    await onPage(page.compared);
    cursor = next;
  } while (cursor !== "0");
  return confirmMismatches(stores, mismatches);
}

/**
 * Compares the entries of `ids`.
 *
 * @returns the wrong ones.
 * @throws {Error} when Redis or the database is unavailable.
 */
export async function compareCacheEntries(stores: CacheStores, ids: readonly EntityId[]): Promise<Difference[]> {
  const { mismatches } = await findCacheMismatches(stores, ids);
  return confirmMismatches(stores, new Map(mismatches.map((mismatch) => [mismatch.id, mismatch])));
}

/** Compares mismatches a second time. An entry that an apply was replacing at the first comparison is right by then. */
async function confirmMismatches(
  stores: CacheStores,
  previous: ReadonlyMap<EntityId, CacheMismatch>,
): Promise<Difference[]> {
  if (previous.size === 0) return [];
  await sleep(RECHECK_DELAY_MS);
  const { mismatches } = await findCacheMismatches(stores, [...previous.keys()]);
  return mismatches.flatMap((current) => {
    const kind = classify(previous.get(current.id)!, current);
    if (!kind) return [];
    const version = current.row.version || null;
    const versions = { sourceVersion: version, replicaVersion: current.entry.version, heardVersion: version };
    const { entity, replica } = stores.tables;
    return { entity: entity.name, replica: replica.name, id: current.id, kind, ...versions, fields: [] };
  });
}

/**
 * An entry below a version that was committed before the entry was read breaks P7, whatever was written since. Any
 * other difference must be in the same entry both times.
 */
function classify(previous: CacheMismatch, current: CacheMismatch): "cache-stale" | "cache-altered" | undefined {
  if (current.entry.version < previous.row.version) return "cache-stale";
  const isSame = current.entry.version === previous.entry.version && current.entry.body === previous.entry.body;
  return isSame && current.entry.version >= current.row.version ? "cache-altered" : undefined;
}
