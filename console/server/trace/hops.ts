/** The hops of one write, as records and receipts tell them. Pure. */
import { decodeDeadLetterOrMark } from "../../../contracts/dead-letter.ts";
import type { EntityId, Version } from "../../../contracts/entity/document.ts";
import { header } from "../../../contracts/event.ts";
import type { Receipt } from "../../../contracts/receipt.ts";
import type { StoredRecord } from "../../../kafka/log.ts";
import { traceIdOf } from "../../../observability/trace.ts";

/**
 * - answered: the gateway answered, so the write is committed
 * - committed: in the source, by the source's clock
 * - published: in the events topic · routed: in a replica's topic, by the clocks of who wrote them there
 * - applied, cached: readable in the replica's PostgreSQL and in its cache, by the replica's clock
 * - dead: in the dead letters · settled: something was done about that letter
 */
export type HopKind = "answered" | "progress" | "published" | "routed" | "applied" | "cached" | "dead" | "settled";

export interface Hop {
  readonly kind: HopKind;
  readonly replica: string | null;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** Since the hop before on this way; clocks of several machines may disagree by some milliseconds. */
  readonly tookMs: number;
  /** What was decided: `kept-out` and `deleted` of a replica; a dead letter's reason, or what was done about it. */
  readonly note: string | null;
  /** Where in the log it stands: `products.events/3/17`. */
  readonly place: string | null;
}

/** What is being followed. */
export interface TracedWrite {
  /** From 1, of this console. */
  readonly number: number;
  readonly entity: string;
  readonly id: EntityId | null;
  /** Version that the write made; null for one that was never meant to be processed. */
  readonly version: Version | null;
  readonly operation: "create" | "change" | "delete" | "poison";
  readonly startedMs: number;
  traceId: string | null;
  readonly hops: Hop[];
}

export const hopOf = ({ hops }: Pick<TracedWrite, "hops">, kind: HopKind, replica: string | null = null) =>
  hops.find((hop) => hop.kind === kind && hop.replica === replica);

const placeOf = ({ topic, partition, offset }: StoredRecord): string => `${topic}/${partition}/${offset}`;

const isOf = ({ id, version }: TracedWrite, { key, headers }: StoredRecord): boolean =>
  version !== null && key?.toString() === id && Number(headers[header.version]) >= version;

/** The hop that a record of the events topic is, if it is this write's or a later one's of the entity. */
export function publishedHop(write: TracedWrite, record: StoredRecord): Hop[] {
  if (!isOf(write, record) || hopOf(write, "published")) return [];
  write.traceId ??= traceIdOf(record.headers[header.traceparent]) ?? null;
  const committedMs = Date.parse(record.headers[header.time] ?? "");
  const committed: Hop[] = Number.isNaN(committedMs)
    ? []
    : [hop("progress", null, committedMs, write.startedMs, null, null)];
  const since = committed[0]?.atMs ?? write.startedMs;
  return [...committed, hop("published", null, record.timestampMs, since, null, placeOf(record))];
}

/** The hop that a record of a replica's topic is. */
export function routedHop(write: TracedWrite, replica: string, record: StoredRecord): Hop[] {
  if (!isOf(write, record) || hopOf(write, "routed", replica)) return [];
  const note = record.value !== null ? null : write.operation === "delete" ? "deleted" : "kept-out";
  const since = hopOf(write, "published")?.atMs ?? write.startedMs;
  return [hop("routed", replica, record.timestampMs, since, note, placeOf(record))];
}

/** True when a receipt says that its replica has the write, or a later one of the entity. */
export const isTold = ({ entity, id, version }: TracedWrite, receipt: Receipt): boolean =>
  receipt.entity === entity && version !== null && receipt.changes.some(([of, has]) => of === id && has >= version);

/** The hops that a replica's receipt tells, once it is known when the write was routed there: their milliseconds count from then. */
export function appliedHops(write: TracedWrite, { replica, appliedMs, cachedMs }: Receipt): Hop[] {
  const routed = hopOf(write, "routed", replica);
  if (!routed || hopOf(write, "applied", replica)) return [];
  const applied = hop("applied", replica, appliedMs, routed.atMs, null, null);
  return cachedMs === null ? [applied] : [applied, hop("cached", replica, cachedMs, appliedMs, null, null)];
}

/** The hops that a record of the dead-letter topic is: the letter itself, or a mark of what was done about it. */
export function deadHop(write: TracedWrite, record: StoredRecord): Hop[] {
  const decoded = decodeDeadLetterOrMark(record);
  if (!decoded) return [];
  const dead = hopOf(write, "dead");
  if ("mark" in decoded) {
    const { origin, resolution, atMs } = decoded.mark;
    const about = `${origin.topic}/${origin.partition}/${origin.offset}`;
    if (!dead || hopOf(write, "settled") || about !== dead.place) return [];
    return [hop("settled", null, atMs, dead.atMs, resolution, null)];
  }
  const { origin, reason, id, version, replica } = decoded.deadLetter;
  const place = `${origin.topic}/${origin.partition}/${origin.offset}`;
  const poisoned = hopOf(write, "published")?.place;
  const isOurs = write.operation === "poison" ? place === poisoned : id === write.id && version === write.version;
  if (dead || !isOurs) return [];
  const since = hopOf(write, replica ? "routed" : "published", replica ?? null)?.atMs ?? write.startedMs;
  return [hop("dead", replica ?? null, record.timestampMs, since, reason, place)];
}

export const hop = (
  kind: HopKind,
  replica: string | null,
  atMs: number,
  sinceMs: number,
  note: string | null,
  place: string | null,
): Hop => ({ kind, replica, atMs, tookMs: Math.max(0, atMs - sinceMs), note, place });

/** True when nothing more is to be expected of a write: every replica has it, or its letter was settled. */
export function isThrough(write: TracedWrite, replicas: readonly string[]): boolean {
  if (write.operation === "poison") return hopOf(write, "settled") !== undefined;
  return replicas.every((replica) => hopOf(write, "applied", replica) && hopOf(write, "routed", replica));
}
