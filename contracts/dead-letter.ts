/**
 * Dead letters: records in `<plural>.dead-letter` that could not be processed, and the marks that say what was done
 * about them.
 *
 * - The origin identifies a dead letter: `<topic>/<partition>/<offset>` of the rejected record. A dead letter may be
 *   written twice, when its writer could not know whether the first write succeeded. Readers group by origin.
 * - A mark is a record without a value, in the same partition, that names the origin.
 * - Partition n of the topic has the dead letters of partition n of every input topic.
 */
import { isReason, type ReasonName } from "./dead-letter-reasons.ts";
import type { EntityId, Version } from "./entity/document.ts";
import { isKeyText } from "./entity/key.ts";
import { header } from "./event.ts";

/** What was done about a dead letter. Superseded: a state of the same or a newer version has arrived. */
export type Resolution = "replayed" | "dropped" | "superseded";

/** Every resolution. */
export const resolutions = ["replayed", "dropped", "superseded"] as const satisfies Resolution[];

/**
 * Headers of a dead letter, beside the original ones. An original header of the same name becomes `original-<name>`.
 */
export const deadLetterHeader = {
  reason: "lockstep-reason",
  detail: "lockstep-detail",
  stack: "lockstep-stack",
  topic: "lockstep-topic",
  partition: "lockstep-partition",
  offset: header.inputOffset,
  timestamp: "lockstep-timestamp-ms",
  /** The replica that could not apply the record. */
  replica: "lockstep-replica",
  /** On a mark: the {@link Resolution}. */
  resolution: "lockstep-resolution",
  /** On a mark: time of the resolution, milliseconds since 1970. */
  resolvedAt: "lockstep-resolved-at-ms",
} as const;

/** Characters of a detail or stack that are kept. */
const MAX_TEXT = 4_000;
const reservedNames = new Set<string>(Object.values(deadLetterHeader));
const ORIGINAL_PREFIX = "original-";
const withoutPrefixes = (name: string): string => name.replace(/^(original-)*/, "");

/** The parts of a stored record that this file needs. */
interface Stored {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly rawHeaders: Readonly<Record<string, Buffer>>;
}

interface Outgoing {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string | Buffer>>;
}

/** Why a record becomes a dead letter. Detail and stack must quote no value of the document (P13). */
export interface DeadLetterCause {
  readonly reason: ReasonName;
  readonly detail: string;
  readonly stack: string;
  /** Set by a replica that could not apply the record. */
  readonly replica?: string;
}

/** The dead letter for a record. Detail and stack are cut to 4,000 characters. */
export function encodeDeadLetter(record: Stored, { reason, detail, stack, replica }: DeadLetterCause): Outgoing {
  const headers: Record<string, string | Buffer> = {};
  for (const [name, value] of Object.entries(record.rawHeaders))
    headers[reservedNames.has(withoutPrefixes(name)) ? `${ORIGINAL_PREFIX}${name}` : name] = value;
  headers[deadLetterHeader.reason] = reason;
  headers[deadLetterHeader.detail] = detail.slice(0, MAX_TEXT);
  headers[deadLetterHeader.stack] = stack.slice(0, MAX_TEXT);
  headers[deadLetterHeader.topic] = record.topic;
  headers[deadLetterHeader.partition] = String(record.partition);
  headers[deadLetterHeader.offset] = String(record.offset);
  headers[deadLetterHeader.timestamp] = String(record.timestampMs);
  if (replica !== undefined) headers[deadLetterHeader.replica] = replica;
  return { key: record.key, value: record.value, headers };
}

/** Position of the rejected record. */
export interface Origin {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** The name of an origin: `products.events/3/17`. */
export const originName = ({ topic, partition, offset }: Origin): string => `${topic}/${partition}/${offset}`;

/** Reads a name that {@link originName} made. @returns undefined for any other text. */
export function parseOrigin(name: string): Origin | undefined {
  const [, topic, partition, offset] = /^([A-Za-z0-9._-]{1,249})\/(\d{1,9})\/(\d{1,15})$/.exec(name) ?? [];
  return topic ? { topic, partition: Number(partition), offset: Number(offset) } : undefined;
}

/** The name of a change that the relay has set aside: `outbox/17`. @param seq number of the outbox row, as text. */
export const setAsideName = (seq: string): string => `outbox/${seq}`;

/** True for a name that {@link setAsideName} made. */
export const isSetAsideName = (name: string): boolean => /^outbox\/\d{1,19}$/.test(name);

/** True for a name of a dead letter, or of a change that the relay has set aside. */
export const isDeadLetterName = (name: string): boolean => isSetAsideName(name) || parseOrigin(name) !== undefined;

/** States what was done about a dead letter. */
export interface Mark {
  readonly origin: Origin;
  readonly resolution: Resolution;
  /** Time of the resolution, milliseconds since 1970. */
  readonly atMs: number;
}

/** The record of a mark. */
export const encodeMark = ({ origin, resolution, atMs }: Mark): Outgoing => ({
  key: null,
  value: null,
  headers: {
    [deadLetterHeader.resolution]: resolution,
    [deadLetterHeader.resolvedAt]: String(atMs),
    [deadLetterHeader.topic]: origin.topic,
    [deadLetterHeader.partition]: String(origin.partition),
    [deadLetterHeader.offset]: String(origin.offset),
  },
});

/** A dead letter as read from the topic. */
export interface DeadLetter {
  readonly origin: Origin;
  readonly reason: ReasonName;
  readonly detail: string;
  readonly stack: string;
  /** Undefined: the stream rejected the record. */
  readonly replica?: string;
  /** When the rejected record was written, milliseconds since 1970. */
  readonly writtenMs: number;
  /** When the dead letter was written, milliseconds since 1970. */
  readonly atMs: number;
  /** The entity's id; undefined when the record has none that is valid. */
  readonly id?: EntityId;
  /** The entity's version; undefined when the record has none that is valid. */
  readonly version?: Version;
  /**
   * True when the replica may have the version, and something is left to do: for a resend, a state that was sent again
   * under a version that was sent before, and for a change whose `onApplied` failed.
   */
  readonly resent: boolean;
  /** Origin of the earlier dead letter of which this record is a replay. */
  readonly replayOf?: string;
}

/** Reads a record of a dead-letter topic. @returns undefined for a record that Lockstep did not write. */
export function decodeDeadLetterOrMark(
  record: Pick<Stored, "key" | "headers" | "timestampMs">,
): { readonly deadLetter: DeadLetter } | { readonly mark: Mark } | undefined {
  const { headers } = record;
  const [topic, partition, offset] = [deadLetterHeader.topic, deadLetterHeader.partition, deadLetterHeader.offset].map(
    (name) => headers[name],
  );
  const origin = parseOrigin(`${topic}/${partition}/${offset}`);
  if (!origin) return undefined;
  const resolution = headers[deadLetterHeader.resolution];
  if (resolution !== undefined) {
    if (!(resolutions as readonly string[]).includes(resolution)) return undefined;
    const atMs = Number(headers[deadLetterHeader.resolvedAt]);
    return { mark: { origin, resolution: resolution as Resolution, atMs } };
  }
  const reason = headers[deadLetterHeader.reason];
  if (!isReason(reason)) return undefined;
  const id = record.key?.toString();
  const version = Number(headers[header.version]);
  const { [deadLetterHeader.replica]: replica, [header.replayOf]: replayOf } = headers;
  const deadLetter = {
    origin,
    reason,
    detail: headers[deadLetterHeader.detail] ?? "",
    stack: headers[deadLetterHeader.stack] ?? "",
    ...(replica ? { replica } : {}),
    writtenMs: Number(headers[deadLetterHeader.timestamp]),
    atMs: record.timestampMs,
    ...(id && isKeyText(id) ? { id } : {}),
    ...(Number.isSafeInteger(version) && version > 0 ? { version } : {}),
    resent: headers[header.resend] !== undefined || reason === "hook-failed",
    ...(replayOf ? { replayOf } : {}),
  };
  return { deadLetter };
}

/** The rejected record of a dead letter, with the original bytes of its key, value and headers. */
export function originalRecord(record: Pick<Stored, "key" | "value" | "rawHeaders">): {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer>>;
} {
  const headers: Record<string, Buffer> = {};
  for (const [name, value] of Object.entries(record.rawHeaders)) {
    if (reservedNames.has(name)) continue;
    headers[reservedNames.has(withoutPrefixes(name)) ? name.slice(ORIGINAL_PREFIX.length) : name] = value;
  }
  return { key: record.key, value: record.value, headers };
}

/**
 * True when nothing is left to do about a dead letter, because a newer state of the entity has arrived.
 *
 * @param known the newest version of the entity: in the replica of the dead letter or, for one of the stream, in any
 * replica.
 */
export function isSuperseded(
  { version, resent, replica }: Pick<DeadLetter, "version" | "resent" | "replica">,
  known: Version | undefined,
): boolean {
  if (version === undefined || known === undefined) return false;
  // The replica may already have this version (`resent`). Only a newer one supersedes the dead letter.
  return resent && replica !== undefined ? known > version : known >= version;
}
