/**
 * A replica's cache against its own database: entries of the present epoch that say something else than the row does.
 *
 * The cache is walked by its own keys, so an entry for what the replica never heard of is found, too. Redis is always asked before
 * PostgreSQL: what an entry says then was committed before the row was read, if it was ever right.
 */
import type { Redis } from "ioredis";
import { cachePrefix, type Entry, parseEntry } from "../../contracts/cache-entry.ts";
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { documentOf } from "../../contracts/entity/row.ts";
import { isId } from "../../contracts/pages.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import type { Difference } from "./difference.ts";

/** Keys that one SCAN looks at, and entries that are compared at a time. */
const PAGE = 1_000;
const CHUNK = 500;
/** Long enough for an apply that is under way to have stored what it fenced. */
const AGAIN_MS = 300;

export interface CacheStores {
  readonly replica: Sql;
  readonly redis: Redis;
}

/** What the replica's database has: the row as the cache would keep it, and its version; version 0 for what it never heard of. */
interface Stored {
  readonly version: number;
  readonly body: string | null;
}

interface Suspect {
  readonly id: EntityId;
  readonly entry: Entry;
  readonly row: Stored;
}

/**
 * Entries that are wrong; none while the cache is off.
 *
 * @param onPage is called after each page with the number of entries that were compared in it.
 * @throws when Redis or the database does not answer, or when `onPage` throws.
 */
export async function compareCache(
  deps: CacheStores,
  entity: EntityDeclaration,
  declared: ReplicaDeclaration,
  onPage: (entries: number) => Promise<void>,
): Promise<Difference[]> {
  const prefix = `${cachePrefix(declared.name, entity.plural)}:`;
  const suspects = new Map<EntityId, Suspect>();
  for (let cursor = "0", first = true; first || cursor !== "0"; first = false) {
    const [next, keys] = await deps.redis.scan(cursor, "MATCH", `${prefix}*`, "COUNT", PAGE);
    const ids = keys.map((key) => key.slice(prefix.length)).filter(isId);
    let compared = 0;
    for (let i = 0; i < ids.length; i += CHUNK) {
      const found = await compare(deps, entity, declared, ids.slice(i, i + CHUNK));
      for (const suspect of found.suspects) suspects.set(suspect.id, suspect);
      compared += found.compared;
    }
    await onPage(compared);
    cursor = next;
  }
  return certain(deps, entity, declared, suspects);
}

/** Which of these have a wrong entry: looked at twice. */
export async function compareCacheEntries(
  deps: CacheStores,
  entity: EntityDeclaration,
  declared: ReplicaDeclaration,
  ids: readonly EntityId[],
): Promise<Difference[]> {
  const suspects = new Map<EntityId, Suspect>();
  for (let i = 0; i < ids.length; i += CHUNK)
    for (const suspect of (await compare(deps, entity, declared, ids.slice(i, i + CHUNK))).suspects)
      suspects.set(suspect.id, suspect);
  return certain(deps, entity, declared, suspects);
}

/** A second look: what an apply was just replacing is right by now. */
async function certain(
  deps: CacheStores,
  entity: EntityDeclaration,
  declared: ReplicaDeclaration,
  before: ReadonlyMap<EntityId, Suspect>,
): Promise<Difference[]> {
  if (before.size === 0) return [];
  await Bun.sleep(AGAIN_MS);
  const wrong: Difference[] = [];
  const ids = [...before.keys()];
  for (let i = 0; i < ids.length; i += CHUNK)
    for (const now of (await compare(deps, entity, declared, ids.slice(i, i + CHUNK))).suspects) {
      const kind = verdict(before.get(now.id)!, now);
      if (!kind) continue;
      const version = now.row.version || null;
      const versions = { sourceVersion: version, replicaVersion: now.entry.version, heardVersion: version };
      wrong.push({ entity: entity.name, replica: declared.name, id: now.id, kind, ...versions, fields: [] });
    }
  return wrong;
}

/**
 * An entry below a version that was committed before the entry was read breaks P7, whatever has happened since. Any other
 * difference must be of the same entry in both looks.
 */
function verdict(before: Suspect, now: Suspect): "cache-stale" | "cache-altered" | undefined {
  if (now.entry.version < before.row.version) return "cache-stale";
  const same = now.entry.version === before.entry.version && now.entry.body === before.entry.body;
  return same && now.entry.version >= now.row.version ? "cache-altered" : undefined;
}

async function compare(
  { replica, redis }: CacheStores,
  entity: EntityDeclaration,
  declared: ReplicaDeclaration,
  ids: readonly EntityId[],
): Promise<{ suspects: Suspect[]; compared: number }> {
  const epoch = ids.length > 0 ? await epochOf(replica, redis) : undefined;
  if (epoch === undefined) return { suspects: [], compared: 0 };
  const prefix = cachePrefix(declared.name, entity.plural);
  const raw = await redis.mget(ids.map((id) => `${prefix}:${id}`));
  const entries = new Map<EntityId, Entry>();
  for (const [i, id] of ids.entries()) {
    const entry = parseEntry(raw[i] ?? null, epoch, entity.schemaVersion);
    if (entry) entries.set(id, entry);
  }
  const rows = await rowsOf(replica, entity, declared, [...entries.keys()]);
  const suspects: Suspect[] = [];
  for (const [id, entry] of entries) {
    const row = rows.get(id) ?? { version: 0, body: null };
    if (entry.version !== row.version || entry.body !== row.body) suspects.push({ id, entry, row });
  }
  return { suspects, compared: entries.size };
}

async function rowsOf(
  replica: Sql,
  entity: EntityDeclaration,
  declared: ReplicaDeclaration,
  ids: readonly EntityId[],
): Promise<Map<EntityId, Stored>> {
  const rows = await replica<{ id: EntityId; version: string | null; row: Record<string, unknown> | null }[]>`
    select asked.id, coalesce(t.version, v.version) as version, to_jsonb(t) as row
    from unnest(${listText(ids)}::uuid[]) as asked (id)
    left join ${replica(entity.plural)} as t on t.id = asked.id
    left join lockstep.versions as v on v.entity = ${entity.name} and v.id = asked.id`;
  return new Map(
    rows.map(({ id, version, row }) => [
      id,
      { version: Number(version ?? 0), body: row && JSON.stringify(documentOf(declared.fields, row)) },
    ]),
  );
}

/** The epoch whose entries readers use now; undefined while the cache is off, or on for another server. */
async function epochOf(replica: Sql, redis: Redis): Promise<number | undefined> {
  const [row] = await replica<
    { epoch: string; run_id: string | null }[]
  >`select epoch, run_id from lockstep.cache_epoch`;
  if (!row || row.run_id === null) return undefined;
  const runId = /run_id:(\w+)/.exec(await redis.info("server"))?.[1];
  return row.run_id === runId ? Number(row.epoch) : undefined;
}
