/** Dead letters as their topic holds them, for tests that fold them. */
import { encodeDeadLetter, encodeMark, type Mark } from "../../contracts/dead-letter.ts";
import { header } from "../../contracts/event.ts";
import type { StoredRecord } from "../../kafka/log.ts";

const topic = "products.dead-letter";

const bytes = (headers: Readonly<Record<string, string | Buffer>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Buffer.from(value)]));
const texts = (headers: Readonly<Record<string, string | Buffer>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.toString()]));

export interface LetterOptions {
  readonly partition?: number;
  readonly id?: string;
  readonly version?: number;
  readonly replica?: string;
  readonly replayOf?: string;
  readonly resend?: boolean;
}

/** The letter of the record at `from`, stored at `offset`. */
export function letterRecord(offset: number, from: number, options: LetterOptions = {}): StoredRecord {
  const { partition = 0, id = crypto.randomUUID(), version = 1, replica, replayOf, resend } = options;
  const headers: Record<string, string> = { [header.version]: String(version) };
  if (replayOf) headers[header.replayOf] = replayOf;
  if (resend) headers[header.resend] = "1";
  const original = {
    topic: replica ? `products.to.${replica}` : "products.events",
    partition,
    offset: from,
    timestampMs: 1_000 + from,
    key: Buffer.from(id),
    value: Buffer.from("{}"),
    headers,
    rawHeaders: bytes(headers),
  };
  const cause = replica ? { reason: "unappliable" as const, replica } : { reason: "internal" as const };
  const letter = encodeDeadLetter(original, { ...cause, detail: "d", stack: "s" });
  const at = { topic, partition, offset, timestampMs: 2_000 + offset };
  return {
    ...at,
    key: letter.key,
    value: letter.value,
    headers: texts(letter.headers),
    rawHeaders: bytes(letter.headers),
  };
}

export function markRecord(
  offset: number,
  from: number,
  resolution: Mark["resolution"] = "replayed",
  replica?: string,
): StoredRecord {
  const origin = { topic: replica ? `products.to.${replica}` : "products.events", partition: 0, offset: from };
  const { headers } = encodeMark({ origin, resolution, atMs: 0 });
  const at = { topic, partition: 0, offset, timestampMs: 2_000 + offset };
  return { ...at, key: null, value: null, headers: texts(headers), rawHeaders: bytes(headers) };
}
