/** One entity at every hop of its way, from the source to each cache. */
import type { Redis } from "ioredis";
import { cachePrefix, parseEntry } from "../../contracts/cache-entry.ts";
import { decodeDeadLetterOrMark } from "../../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { header } from "../../contracts/event.ts";
import { deadLetterTopic, eventsTopic } from "../../contracts/topics.ts";
import type { Log, StoredRecord } from "../../kafka/log.ts";
import { partitionForKey } from "../../kafka/partitioner.ts";
import { traceIdOf } from "../../observability/trace.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { type Connections, connectRedis } from "../connect.ts";

export interface Journey {
  readonly entity: string;
  readonly id: EntityId;
  readonly source: {
    readonly state: "present" | "deleted" | "unknown";
    readonly version: number | null;
    readonly at: string | null;
  };
  /** Versions that the log may not have yet, oldest first. */
  readonly outbox: readonly number[];
  /** The last event of the entity that the log still has. */
  readonly event: LastEvent | null;
  /** Events and routed changes of the entity among the dead letters, oldest first. */
  readonly deadLetters: readonly {
    readonly reason: string;
    readonly topic: string;
    readonly offset: string;
    readonly version: string | null;
  }[];
  readonly replicas: readonly ReplicaHop[];
  readonly traceId: string | null;
}

export interface LastEvent {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly version: number;
  /** When the source committed it. */
  readonly time: string | null;
}

export interface ReplicaHop {
  readonly replica: string;
  /** `routed`: it has a row; `filtered`: not this replica's to keep; `deleted`; `not arrived`: it has never heard of it. */
  readonly decision: "routed" | "filtered" | "deleted" | "not arrived";
  readonly version: number | null;
  /** When it was applied; null where commit timestamps are off. */
  readonly appliedAt: string | null;
  readonly cache: { readonly version: number; readonly current: boolean } | null;
}

/** Records that are looked through from the end of a partition on. */
const STEP = 5_000;
const MOST = 500_000;

/** What every hop knows of an entity now. @throws when the source, the log or a replica's database does not answer; a cache that is away has nothing. */
export async function readJourney(connections: Connections, entity: EntityDeclaration, id: EntityId): Promise<Journey> {
  const log = await connections.log();
  const [source, outbox, event, letters, replicas] = await Promise.all([
    sourceOf(connections.source(), entity, id),
    outboxOf(connections.source(), entity, id),
    lastRecord(log, eventsTopic(entity).name, id),
    lettersOf(log, entity, id),
    hopsOf(connections, entity, id),
  ]);
  return {
    entity: entity.name,
    id,
    source,
    outbox,
    event: event && {
      topic: event.topic,
      partition: event.partition,
      offset: event.offset,
      version: Number(event.headers[header.version]),
      time: event.headers[header.time] ?? null,
    },
    deadLetters: letters,
    replicas,
    traceId: traceIdOf(event?.headers[header.traceparent]) ?? null,
  };
}

async function sourceOf(source: Sql, entity: EntityDeclaration, id: EntityId): Promise<Journey["source"]> {
  const [row] = await source<{ there: boolean; version: string | null; at: Date | null }[]>`
    select t.id is not null as there, coalesce(t.version, d.version) as version, coalesce(t.updated_at, d.at) as at
    from (select ${id}::uuid as id) as asked left join ${source(entity.plural)} t on t.id = asked.id
    left join lockstep.tombstones d on d.entity = ${entity.name} and d.id = asked.id`;
  const version = row?.version == null ? null : Number(row.version);
  const state = row?.there ? "present" : version === null ? "unknown" : "deleted";
  return { state, version, at: row?.at?.toISOString() ?? null };
}

async function outboxOf(source: Sql, entity: EntityDeclaration, id: EntityId): Promise<number[]> {
  const rows = await source<{ version: string }[]>`
    select version from lockstep.outbox where entity = ${entity.name} and id = ${id} order by seq`;
  return rows.map(({ version }) => Number(version));
}

/** The last record of a key, looked for from the end on; null when the last half million of its partition have none. */
async function lastRecord(log: Log, topic: string, id: EntityId): Promise<StoredRecord | null> {
  const bounds = await log.offsets(topic);
  const partition = partitionForKey(id, bounds.size);
  const { first, next } = bounds.get(partition)!;
  for (let to = next; to > first && next - to < MOST; to -= STEP) {
    let found: StoredRecord | null = null;
    for await (const records of log.read({ topic, partition }, Math.max(first, to - STEP), to))
      for (const record of records) if (record.key?.toString() === id) found = record;
    if (found) return found;
  }
  return null;
}

async function lettersOf(log: Log, entity: EntityDeclaration, id: EntityId): Promise<Journey["deadLetters"]> {
  const { name: topic } = deadLetterTopic(entity);
  const found: Journey["deadLetters"][number][] = [];
  for (const [partition, { first, next }] of await log.offsets(topic))
    for await (const records of log.read({ topic, partition }, Math.max(first, next - MOST), next))
      for (const record of records) {
        const decoded = record.key?.toString() === id ? decodeDeadLetterOrMark(record) : undefined;
        if (!decoded || "mark" in decoded) continue;
        const { reason, origin } = decoded.letter;
        const version = record.headers[header.version] ?? null;
        found.push({ reason, topic: origin.topic, offset: String(origin.offset), version });
      }
  return found;
}

async function hopsOf(connections: Connections, entity: EntityDeclaration, id: EntityId): Promise<ReplicaHop[]> {
  const redis = connectRedis(connections.addresses.redis);
  try {
    return await Promise.all(
      entity.replicas.map(({ name }) => hopOf({ sql: connections.replica(name), redis }, entity, name, id)),
    );
  } finally {
    redis?.disconnect();
  }
}

interface Stores {
  readonly sql: Sql;
  readonly redis: Redis | undefined;
}

async function hopOf(stores: Stores, entity: EntityDeclaration, replica: string, id: EntityId): Promise<ReplicaHop> {
  const { sql } = stores;
  const [row] = await sql<{ version: string; deleted: boolean; known: boolean; at: Date | null }[]>`
    select version, deleted, digest is not null as known,
      case when current_setting('track_commit_timestamp')::boolean then pg_xact_commit_timestamp(xmin) end as at
    from lockstep.versions where entity = ${entity.name} and id = ${id}`;
  const decision = !row ? "not arrived" : !row.deleted ? "routed" : row.known ? "filtered" : "deleted";
  const cache = await cachedOf(stores, entity, replica, id);
  return {
    replica,
    decision,
    version: row ? Number(row.version) : null,
    appliedAt: row?.at?.toISOString() ?? null,
    cache,
  };
}

/** A cache that is away has nothing. */
async function cachedOf(
  { sql, redis }: Stores,
  entity: EntityDeclaration,
  replica: string,
  id: EntityId,
): Promise<ReplicaHop["cache"]> {
  if (!redis) return null;
  try {
    const raw = await redis.get(`${cachePrefix(replica, entity.plural)}:${id}`);
    const epoch = raw?.split(" ", 1)[0];
    const entry = epoch ? parseEntry(raw, Number(epoch), entity.schemaVersion) : undefined;
    if (!entry) return null;
    const [row] = await sql<
      { epoch: string; on: boolean }[]
    >`select epoch, run_id is not null as on from lockstep.cache_epoch`;
    return { version: entry.version, current: row?.on === true && row.epoch === epoch };
  } catch {
    return null;
  }
}

/** False when neither the source nor the log nor a replica has ever heard of it. */
export const isKnown = ({ source, event, replicas, deadLetters }: Journey): boolean =>
  source.state !== "unknown" ||
  event !== null ||
  deadLetters.length > 0 ||
  replicas.some(({ version }) => version !== null);
