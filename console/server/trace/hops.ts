/** Derives the hops of one write from log records and receipts. Pure. */
import { decodeDeadLetterOrMark, originName } from "../../../contracts/dead-letter.ts";
import type { EntityId, Version } from "../../../contracts/entity/document.ts";
import { header } from "../../../contracts/event.ts";
import type { Receipt } from "../../../contracts/receipt.ts";
import type { StoredRecord } from "../../../kafka/log.ts";
import { traceIdOf } from "../../../observability/trace.ts";

/**
 * Closed list: the page has a text for each in every language.
 *
 * - acknowledged: the gateway responded, so the write is committed.
 * - committed: in the source, by the source's clock.
 * - published: in the events topic, by the relay's clock.
 * - routed: in a replica's topic, by the stream's clock.
 * - applied: readable in the replica's PostgreSQL, by the replica's clock.
 * - cached: readable in the replica's cache, by the replica's clock.
 * - dead-letter: in the dead-letter topic.
 * - resolved: the dead letter was replayed, dropped or superseded.
 */
export const hopKinds = [
  "acknowledged",
  "committed",
  "published",
  "routed",
  "applied",
  "cached",
  "dead-letter",
  "resolved",
] as const;
/** One of {@link hopKinds}. */
export type HopKind = (typeof hopKinds)[number];

/** One step of a write on its way. */
export interface Hop {
  readonly kind: HopKind;
  /** The replica of a `routed`, `applied` or `cached` hop, or that wrote the dead letter; else null. */
  readonly replica: string | null;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** Milliseconds since the previous hop, 0 or more. Clocks of different machines may differ by some milliseconds. */
  readonly tookMs: number;
  /** `filtered` or `deleted` for a routed tombstone, the reason of a dead letter, its resolution; else null. */
  readonly note: string | null;
  /** Name of the log record, `products.events/3/17`; of the rejected record for a dead letter; null without one. */
  readonly record: string | null;
}

/** A write whose hops are collected. */
export interface TracedWrite {
  /** Counts from 1 in each console process. */
  readonly number: number;
  readonly entity: string;
  readonly id: EntityId | null;
  /** Version that the write made; null when the gateway returned none. */
  readonly version: Version | null;
  readonly operation: "create" | "change" | "delete" | "poison";
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  traceId: string | null;
  readonly hops: Hop[];
}

/** Makes a hop. @param sinceMs time of the previous hop, milliseconds since 1970. */
export const hop = (
  kind: HopKind,
  atMs: number,
  sinceMs: number,
  details: Partial<Pick<Hop, "replica" | "note" | "record">> = {},
): Hop => ({ kind, replica: null, atMs, tookMs: Math.max(0, atMs - sinceMs), note: null, record: null, ...details });

/** Finds a hop of a write. @param replica null for the hops that belong to no replica. */
export const findHop = ({ hops }: Pick<TracedWrite, "hops">, kind: HopKind, replica: string | null = null) =>
  hops.find((one) => one.kind === kind && one.replica === replica);

/** True for a record of the write's entity with the write's version or a later one. */
const includesWrite = ({ id, version }: TracedWrite, { key, headers }: StoredRecord): boolean =>
  version !== null && key?.toString() === id && Number(headers[header.version]) >= version;

/** The hops `committed` and `published`, when a record of the events topic includes the write. Sets its trace id. */
export function publishedHops(write: TracedWrite, record: StoredRecord): Hop[] {
  if (!includesWrite(write, record) || findHop(write, "published")) return [];
  write.traceId ??= traceIdOf(record.headers[header.traceparent]) ?? null;
  const committedMs = Date.parse(record.headers[header.time] ?? "");
  const committed = Number.isNaN(committedMs) ? [] : [hop("committed", committedMs, write.startedMs)];
  const sinceMs = committed[0]?.atMs ?? write.startedMs;
  return [...committed, hop("published", record.timestampMs, sinceMs, { record: originName(record) })];
}

/** The hop `routed`, when a record of the replica's topic includes the write. */
export function routedHops(write: TracedWrite, replica: string, record: StoredRecord): Hop[] {
  if (!includesWrite(write, record) || findHop(write, "routed", replica)) return [];
  const note = record.value !== null ? null : write.operation === "delete" ? "deleted" : "filtered";
  const sinceMs = findHop(write, "published")?.atMs ?? write.startedMs;
  return [hop("routed", record.timestampMs, sinceMs, { replica, note, record: originName(record) })];
}

/** True when the receipt's replica has applied the write, or a later version of its entity. */
export const confirmsWrite = ({ entity, id, version }: TracedWrite, receipt: Receipt): boolean =>
  receipt.entity === entity &&
  version !== null &&
  receipt.changes.some(([changedId, changedVersion]) => changedId === id && changedVersion >= version);

/** The hops `applied` and `cached` of a receipt. None before `routed` is known: their milliseconds count from it. */
export function appliedHops(write: TracedWrite, { replica, appliedMs, cachedMs }: Receipt): Hop[] {
  const routed = findHop(write, "routed", replica);
  if (!routed || findHop(write, "applied", replica)) return [];
  const applied = hop("applied", appliedMs, routed.atMs, { replica });
  return cachedMs === null ? [applied] : [applied, hop("cached", cachedMs, appliedMs, { replica })];
}

/** The hop `dead-letter` or `resolved`, when a record of the dead-letter topic belongs to the write. */
export function deadLetterHops(write: TracedWrite, record: StoredRecord): Hop[] {
  const decoded = decodeDeadLetterOrMark(record);
  if (!decoded) return [];
  const deadLetter = findHop(write, "dead-letter");
  if ("mark" in decoded) {
    const { origin, resolution, atMs } = decoded.mark;
    if (!deadLetter || findHop(write, "resolved") || originName(origin) !== deadLetter.record) return [];
    return [hop("resolved", atMs, deadLetter.atMs, { note: resolution })];
  }
  const { origin, reason, id, version, replica = null } = decoded.deadLetter;
  const name = originName(origin);
  const isOfWrite =
    write.operation === "poison"
      ? name === findHop(write, "published")?.record
      : id === write.id && version === write.version;
  if (deadLetter || !isOfWrite) return [];
  const sinceMs = findHop(write, replica ? "routed" : "published", replica)?.atMs ?? write.startedMs;
  return [hop("dead-letter", record.timestampMs, sinceMs, { replica, note: reason, record: name })];
}

/** True when each replica has applied the write, or the dead letter of a poison message is resolved. */
export function isComplete(write: TracedWrite, replicas: readonly string[]): boolean {
  if (write.operation === "poison") return findHop(write, "resolved") !== undefined;
  return replicas.every((replica) => findHop(write, "applied", replica) && findHop(write, "routed", replica));
}
