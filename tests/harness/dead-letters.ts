/** Dead letters as their topic holds them, for tests that fold them. */
import { encodeDeadLetter, encodeMark, type Mark } from "../../contracts/dead-letter.ts";
import { header } from "../../contracts/event.ts";
import type { StoredRecord } from "../../kafka/log.ts";

const topic = "products.dead-letter";

const bytes = (headers: Readonly<Record<string, string | Buffer>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Buffer.from(value)]));
const texts = (headers: Readonly<Record<string, string | Buffer>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.toString()]));

export interface DeadLetterOptions {
  readonly partition?: number;
  readonly id?: string;
  readonly version?: number;
  readonly replica?: string;
  readonly replayOf?: string;
  readonly resend?: boolean;
}

/** The letter of the record at `from`, stored at `offset`. */
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
