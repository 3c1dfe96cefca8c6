/**
 * Dead letters: records that could not be processed, in `<plural>.dead-letter`, with what was done about them since.
 *
 * A letter is known by its origin, `<topic>/<partition>/<offset>` of the record that it was. It may be written more than once,
 * when whoever wrote it could not know whether it was stored: readers fold by origin. What was done about a letter is a record of
 * the same partition without a value, a mark, that names the origin. Partition n has the letters of every topic's partition n.
 */
import { type EntityId, ID, type Version } from "./entity/document.ts";
import { header } from "./event.ts";

interface Reason {
  /** Who says so. */
  readonly by: "stream" | "replica";
  readonly means: string;
  /** What makes a replay succeed. */
  readonly remedy: string;
}

const byStream = (means: string, remedy: string) => ({ by: "stream" as const, means, remedy });
const byReplica = (means: string, remedy: string) => ({ by: "replica" as const, means, remedy });

/** Why a record is in the dead letters. Closed: docs/operate/dead-letters.md, dashboards and the runbook name each. */
export const reasons = {
  "missing-header": byStream(
    "a CloudEvents attribute is missing or has no readable value",
    "the writer must send it; drop",
  ),
  "unknown-type": byStream("the event's type is none of this entity's", "declare it and deploy the stream; replay"),
  "unknown-schema-version": byStream("the writer's schema is newer than the stream's", "upgrade the stream; replay"),
  "upcast-failed": byStream(
    "an upcaster threw on a document of an older schema",
    "mend the upcaster and deploy; replay",
  ),
  "wrong-key": byStream("key, subject and the document's id are not one UUID", "the writer must mend it; drop"),
  "wrong-partition": byStream("the record is not in the partition of its key", "replay: it goes to the right one"),
  "no-value": byStream("the value is empty; a delete is an event of its own", "the writer must send one; drop"),
  "malformed-json": byStream("the value is not JSON in UTF-8", "the writer must mend it; drop"),
  "invalid-document": byStream("the document does not fit the declaration", "mend the declaration or the row; replay"),
  internal: byStream("our code threw: a filter or projection, most likely", "mend and deploy it; replay"),
  unreadable: byReplica(
    "a record of the replica's topic is none that the stream writes, or no upcaster can read it",
    "mend the stream or the upcaster; replay",
  ),
  unappliable: byReplica("the replica's database refuses the row", "mend its schema or the source's row; replay"),
} as const satisfies Readonly<Record<string, Reason>>;

export type ReasonName = keyof typeof reasons;
export const reasonNames = Object.keys(reasons) as readonly ReasonName[];
const isReason = (name: string | undefined): name is ReasonName => name !== undefined && name in reasons;

/** What was done about a letter. Superseded: the entity has this version or a newer one by now, so there is nothing left to do. */
export type Resolution = "replayed" | "dropped" | "superseded";
export const resolutions = ["replayed", "dropped", "superseded"] as const satisfies Resolution[];

/** Headers of a letter beside the original ones. An original header of the same name is kept as `original-<name>`. */
export const deadLetterHeader = {
  reason: "lockstep-reason",
  detail: "lockstep-detail",
  stack: "lockstep-stack",
  topic: "lockstep-topic",
  partition: "lockstep-partition",
  offset: header.inputOffset,
  timestamp: "lockstep-timestamp-ms",
  /** The replica that could not apply it. */
  replica: "lockstep-replica",
  /** On a mark: what was done. */
  resolution: "lockstep-resolution",
  /** On a mark: when, milliseconds since 1970. */
  resolvedAt: "lockstep-resolved-at-ms",
} as const;

const MAX_TEXT = 4_000;
const ours = new Set<string>(Object.values(deadLetterHeader));
const ORIGINAL = "original-";
const bareName = (name: string): string => name.replace(/^(original-)*/, "");

/** What of a stored record this needs. */
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

/** Why one record is a letter. Detail and stack must hold no value of the document, which may be private. */
export interface Cause {
  readonly reason: ReasonName;
  readonly detail: string;
  readonly stack: string;
  readonly replica?: string;
}

/** The letter for a record. */
export function encodeDeadLetter(record: Stored, { reason, detail, stack, replica }: Cause): Outgoing {
  const headers: Record<string, string | Buffer> = {};
  for (const [name, value] of Object.entries(record.rawHeaders))
    headers[ours.has(bareName(name)) ? `${ORIGINAL}${name}` : name] = value;
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

/** Where a record stood that became a letter. */
export interface Origin {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** Identity of a letter: `products.events/3/17`. */
export const originName = ({ topic, partition, offset }: Origin): string => `${topic}/${partition}/${offset}`;

/** The reverse of {@link originName}; undefined for what is no name of a letter. */
export function parseOrigin(name: string): Origin | undefined {
  const [, topic, partition, offset] = /^([A-Za-z0-9._-]{1,249})\/(\d{1,9})\/(\d{1,15})$/.exec(name) ?? [];
  return topic ? { topic, partition: Number(partition), offset: Number(offset) } : undefined;
}

export interface Mark {
  readonly origin: Origin;
  readonly resolution: Resolution;
  readonly atMs: number;
}

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

export interface DeadLetter {
  readonly origin: Origin;
  readonly reason: ReasonName;
  readonly detail: string;
  readonly stack: string;
  /** Undefined for a letter of the stream. */
  readonly replica?: string;
  /** When the record was written, milliseconds since 1970. */
  readonly writtenMs: number;
  /** When it became a letter, milliseconds since 1970. */
  readonly atMs: number;
  /** Of the entity; undefined where the record does not tell. */
  readonly id?: EntityId;
  readonly version?: Version;
  /** Its state was sent once more, under a version that was sent before. */
  readonly resent: boolean;
  /** The letter that it was before it was replayed. */
  readonly replayOf?: string;
}

/** What a record of a dead-letter topic is; undefined for one that nobody of us wrote. */
export function decodeDeadLetterOrMark(
  record: Pick<Stored, "key" | "headers" | "timestampMs">,
): { readonly letter: DeadLetter } | { readonly mark: Mark } | undefined {
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
  const letter = {
    origin,
    reason,
    detail: headers[deadLetterHeader.detail] ?? "",
    stack: headers[deadLetterHeader.stack] ?? "",
    ...(replica ? { replica } : {}),
    writtenMs: Number(headers[deadLetterHeader.timestamp]),
    atMs: record.timestampMs,
    ...(id && ID.test(id) ? { id } : {}),
    ...(Number.isSafeInteger(version) && version > 0 ? { version } : {}),
    resent: headers[header.resend] !== undefined,
    ...(replayOf ? { replayOf } : {}),
  };
  return { letter };
}

/** The record that a letter was: bytes as they were, headers too. */
export function originalOf(record: Pick<Stored, "key" | "value" | "rawHeaders">): {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer>>;
} {
  const headers: Record<string, Buffer> = {};
  for (const [name, value] of Object.entries(record.rawHeaders)) {
    if (ours.has(name)) continue;
    headers[ours.has(bareName(name)) ? name.slice(ORIGINAL.length) : name] = value;
  }
  return { key: record.key, value: record.value, headers };
}

/**
 * Whether a letter has nothing left to say, given the newest version that is known where it counts: in the letter's replica, or in
 * any for one of the stream.
 */
export function isSuperseded(
  { version, resent, replica }: Pick<DeadLetter, "version" | "resent" | "replica">,
  known: Version | undefined,
): boolean {
  if (version === undefined || known === undefined) return false;
  // A resend that was refused is to mend a row which may have its version already.
  return resent && replica !== undefined ? known > version : known >= version;
}
