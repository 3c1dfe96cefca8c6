/** A replica's cache against its own database: entries of the present epoch that say something else than the row does. */
import type { Redis } from "ioredis";
import { cachePrefix, parseEntry } from "../../contracts/cache-entry.ts";
import { documentOf, type EntityDeclaration, type EntityId, type ReplicaDeclaration } from "../../contracts/entity.ts";
import type { Sql } from "../../platform/postgres.ts";
import type { Difference } from "./difference.ts";
import type { Range } from "./range.ts";

const CHUNK = 500;
const AGAIN_MS = 200;

interface Cached {
  readonly replica: Sql;
  readonly redis: Redis;
}

/** Entries of a range that are wrong, each seen so twice. None while the cache is off. */
export async function wrongEntries(
  using: Cached,
  entity: EntityDeclaration,
  declared: ReplicaDeclaration,
  { after, last }: Range,
): Promise<Difference[]> {
  const ids = await using.replica<{ id: EntityId }[]>`
    select id from lockstep.versions where entity = ${entity.name} and id > ${after} and id <= ${last}`;
  const wrong: Difference[] = [];
  for (let i = 0; i < ids.length; i += CHUNK) {
    const chunk = ids.slice(i, i + CHUNK).map(({ id }) => id);
    const first = await compare(using, entity, declared, chunk);
    if (first.length === 0) continue;
    await Bun.sleep(AGAIN_MS);
    wrong.push(
      ...(await compare(
        using,
        entity,
        declared,
        first.map(({ id }) => id),
      )),
    );
  }
  return wrong;
}

/** Redis first: an entry that is read before the row can be older only if it is wrong, or being replaced at this moment. */
async function compare(
  { replica, redis }: Cached,
  entity: EntityDeclaration,
  declared: ReplicaDeclaration,
  ids: readonly EntityId[],
): Promise<Difference[]> {
  const epoch = await epochOf(replica, redis);
  if (epoch === undefined) return [];
  const prefix = cachePrefix(declared.name, entity.plural);
  const raw = await redis.mget(ids.map((id) => `${prefix}:${id}`));
  const entries = new Map(ids.map((id, i) => [id, parseEntry(raw[i] ?? null, epoch, entity.schemaVersion)]));
  const cached = ids.filter((id) => entries.get(id) !== undefined);
  if (cached.length === 0) return [];
  const rows = await replica<{ id: EntityId; version: string; row: Record<string, unknown> | null }[]>`
    select v.id, v.version, to_jsonb(t) as row from lockstep.versions v left join ${replica(entity.plural)} t using (id)
    where v.entity = ${entity.name} and v.id = any(${`{${cached.join(",")}}`}::uuid[])`;
  return rows.flatMap(({ id, version, row }) => {
    const entry = entries.get(id)!;
    const body = row && JSON.stringify(documentOf(declared.fields, row));
    const right = entry.version === Number(version);
    if (right && entry.body === body) return [];
    const kind = right ? ("cache-altered" as const) : ("cache-stale" as const);
    const found = { entity: entity.name, replica: declared.name, id, kind, sourceVersion: Number(version), fields: [] };
    return [{ ...found, replicaVersion: entry.version }];
  });
}

/** The epoch whose entries readers use now; undefined while the cache is off, or on for another server. */
async function epochOf(replica: Sql, redis: Redis): Promise<number | undefined> {
  const [row] = await replica<
    { epoch: string; run_id: string | null }[]
  >`select epoch, run_id from lockstep.cache_epoch`;
  const runId = /run_id:(\w+)/.exec(await redis.info("server"))?.[1];
  return row && row.run_id !== null && row.run_id === runId ? Number(row.epoch) : undefined;
}
