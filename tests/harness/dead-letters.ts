/** Builds records of the dead-letter topic, for tests that read the topic without a broker. */
import { encodeDeadLetter, encodeMark, type Mark } from "../../contracts/dead-letter.ts";
import { header } from "../../contracts/event.ts";
import type { StoredRecord } from "../../kafka/log.ts";

const topic = "products.dead-letter";

const bytes = (headers: Readonly<Record<string, string | Buffer>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Buffer.from(value)]));
const texts = (headers: Readonly<Record<string, string | Buffer>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.toString()]));

/** What differs from a first dead letter of partition 0, which the stream rejected. */
export interface DeadLetterOptions {
  readonly partition?: number;
  readonly id?: string;
  readonly version?: number;
  /** Set: this replica could not apply the event. Undefined: the stream rejected it. */
  readonly replica?: string;
  /** Origin of the dead letter that was replayed, as the `replayOf` header holds it. */
  readonly replayOf?: string;
  readonly resend?: boolean;
}

/** Returns the dead letter for the source record at `sourceOffset`. It is stored at `offset` of the dead-letter topic. */
export function deadLetterRecord(offset: number, sourceOffset: number, options: DeadLetterOptions = {}): StoredRecord {
  const { partition = 0, id = crypto.randomUUID(), version = 1, replica, replayOf, resend } = options;
  const headers: Record<string, string> = { [header.version]: String(version) };
  if (replayOf) headers[header.replayOf] = replayOf;
  if (resend) headers[header.resend] = "1";
  const original = {
    topic: replica ? `products.to.${replica}` : "products.events",
    partition,
    offset: sourceOffset,
    timestampMs: 1_000 + sourceOffset,
    key: Buffer.from(id),
    value: Buffer.from("{}"),
    headers,
    rawHeaders: bytes(headers),
  };
  const cause = replica ? { reason: "unappliable" as const, replica } : { reason: "internal" as const };
  const deadLetter = encodeDeadLetter(original, { ...cause, detail: "d", stack: "s" });
  const at = { topic, partition, offset, timestampMs: 2_000 + offset };
  return {
    ...at,
    key: deadLetter.key,
    value: deadLetter.value,
    headers: texts(deadLetter.headers),
    rawHeaders: bytes(deadLetter.headers),
  };
}

/** Returns the mark, stored at `offset`, that resolves the dead letter for the source record at `sourceOffset`. */
export function markRecord(
  offset: number,
  sourceOffset: number,
  resolution: Mark["resolution"] = "replayed",
  replica?: string,
): StoredRecord {
  const origin = { topic: replica ? `products.to.${replica}` : "products.events", partition: 0, offset: sourceOffset };
  const { headers } = encodeMark({ origin, resolution, atMs: 0 });
  const at = { topic, partition: 0, offset, timestampMs: 2_000 + offset };
  return { ...at, key: null, value: null, headers: texts(headers), rawHeaders: bytes(headers) };
}
