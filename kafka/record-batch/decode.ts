/**
 * What a fetch brings: record batches in Kafka's format 2. kafkajs' decoder drops batches that compaction emptied and with
 * them the offsets they stand for, so that a reader at such a place asks for the same offset for ever; this one keeps them.
 *
 * @see https://kafka.apache.org/documentation/#recordbatch
 */

import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { LockstepError } from "../../contracts/errors.ts";
import type { StoredRecord, TopicPartition } from "../log.ts";
import { crc32c } from "./crc32c.ts";
import { Cursor } from "./varint.ts";

export interface StoredBatch {
  readonly baseOffset: number;
  /** Offset after the batch, also when compaction took its last records. */
  readonly nextOffset: number;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** A transaction's commit or abort marker: its records are the broker's, not anyone's data. */
  readonly isControl: boolean;
  /** A control batch that says that its producer's transaction was aborted. */
  readonly isAbort: boolean;
  readonly isTransactional: boolean;
  readonly records: readonly StoredRecord[];
}

/** In a control record's key, after its version. */
const ABORT = 0;

/** The bytes are not a batch that this reader understands. */
export class UnreadableBatchError extends LockstepError {
  constructor(topicPartition: TopicPartition, offset: number, why: string) {
    super(
      "UNREADABLE_BATCH",
      `${topicPartition.topic}/${topicPartition.partition}: the batch at offset ${offset} cannot be read: ${why}`,
    );
  }
}

/**
 * Reads whole batches; a batch cut off at the end, as a fetch's size limit does, is left out.
 *
 * @throws {UnreadableBatchError} for a wrong checksum, a format before 2 (Kafka 0.10), or a compression other than gzip and zstd.
 */
export function decodeBatches(bytes: Buffer, topicPartition: TopicPartition): StoredBatch[] {
  const batches: StoredBatch[] = [];
  for (let start = 0; start + 61 <= bytes.length; ) {
    const end = start + 12 + bytes.readInt32BE(start + 8);
    if (end > bytes.length) break;
    batches.push(decodeBatch(bytes, start, end, topicPartition));
    start = end;
  }
  return batches;
}

/** The offset after the last whole batch, without decoding any; undefined when there is none. */
export function offsetAfter(bytes: Buffer): number | undefined {
  let next: number | undefined;
  for (let start = 0; start + 61 <= bytes.length; ) {
    const end = start + 12 + bytes.readInt32BE(start + 8);
    if (end > bytes.length) break;
    next = Number(bytes.readBigInt64BE(start)) + bytes.readInt32BE(start + 23) + 1;
    start = end;
  }
  return next;
}

function decodeBatch(bytes: Buffer, start: number, end: number, topicPartition: TopicPartition): StoredBatch {
  const baseOffset = Number(bytes.readBigInt64BE(start));
  const unreadable = (why: string) => new UnreadableBatchError(topicPartition, baseOffset, why);
  const magic = bytes[start + 16];
  if (magic !== 2) throw unreadable(`its format is ${magic}, not 2`);
  if (crc32c(bytes, start + 21, end) !== bytes.readUInt32BE(start + 17)) throw unreadable("its checksum is wrong");
  const attributes = bytes.readInt16BE(start + 21);
  const count = bytes.readInt32BE(start + 57);
  const body = uncompressed(attributes & 7, bytes, start + 61, end, unreadable);
  const firstTimestampMs = Number(bytes.readBigInt64BE(start + 27));
  const appendTimeMs = attributes & 8 ? Number(bytes.readBigInt64BE(start + 35)) : undefined;
  const records: StoredRecord[] = [];
  try {
    for (let i = 0; i < count; i++)
      records.push(decodeRecord(body, topicPartition, baseOffset, firstTimestampMs, appendTimeMs));
  } catch (error) {
    throw unreadable(error instanceof Error ? error.message : String(error));
  }
  const isControl = (attributes & 32) !== 0;
  return {
    baseOffset,
    nextOffset: baseOffset + bytes.readInt32BE(start + 23) + 1,
    producerId: bytes.readBigInt64BE(start + 43),
    producerEpoch: bytes.readInt16BE(start + 51),
    isControl,
    isAbort: isControl && records[0]?.key?.readInt16BE(2) === ABORT,
    isTransactional: (attributes & 16) !== 0,
    records,
  };
}

function uncompressed(
  codec: number,
  bytes: Buffer,
  start: number,
  end: number,
  unreadable: (why: string) => Error,
): Cursor {
  if (codec === 0) return new Cursor(bytes.subarray(0, end), start);
  const packed = bytes.subarray(start, end);
  if (codec === 1) return new Cursor(gunzipSync(packed), 0);
  if (codec === 4) return new Cursor(zstdDecompressSync(packed), 0);
  // Topics that ensureTopics makes have compression.type=uncompressed, so the broker unpacks what others pack.
  throw unreadable(`compression ${codec === 2 ? "snappy" : codec === 3 ? "lz4" : codec} is not supported`);
}

function decodeRecord(
  cursor: Cursor,
  topicPartition: TopicPartition,
  baseOffset: number,
  firstTimestampMs: number,
  appendTimeMs: number | undefined,
): StoredRecord {
  const end = cursor.varint() + cursor.position;
  cursor.position++; // attributes: none are defined
  const timestampMs = firstTimestampMs + cursor.varlong();
  const offset = baseOffset + cursor.varint();
  const key = cursor.lengthAndBytes();
  const value = cursor.lengthAndBytes();
  const record = new DecodedRecord(
    topicPartition.topic,
    topicPartition.partition,
    offset,
    appendTimeMs ?? timestampMs,
    key,
    value,
    cursor.bytes.subarray(cursor.position, end),
  );
  cursor.position = end;
  return record;
}

/** Headers are read when first asked for: most readers look at few records' headers, or at none. */
class DecodedRecord implements StoredRecord {
  private decodedRawHeaders: Record<string, Buffer> | undefined;
  private decodedHeaders: Record<string, string> | undefined;
  private readonly headerBytes: Buffer;

  constructor(
    readonly topic: string,
    readonly partition: number,
    readonly offset: number,
    readonly timestampMs: number,
    readonly key: Buffer | null,
    readonly value: Buffer | null,
    headerBytes: Buffer,
  ) {
    this.headerBytes = headerBytes;
  }

  /** A name that stands twice has its last value; a null value reads as empty. */
  get rawHeaders(): Readonly<Record<string, Buffer>> {
    this.decodedRawHeaders ??= decodeHeaders(this.headerBytes);
    return this.decodedRawHeaders;
  }

  get headers(): Readonly<Record<string, string>> {
    this.decodedHeaders ??= decodeHeaderTexts(this.headerBytes);
    return this.decodedHeaders;
  }
}

/** Straight to text, all at once: a buffer or a conversion for each would cost more than all the rest of the record. */
function decodeHeaderTexts(bytes: Buffer): Record<string, string> {
  const text = bytes.toString("latin1");
  if (Buffer.byteLength(text) === text.length) return decodeAscii(text);
  const headers = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(decodeHeaders(bytes))) headers[name] = value.toString("utf8");
  return headers;
}

/** Names that the records before had, by their place: most have the same, and comparing is cheaper than making a name of bytes. */
const names: string[] = [];
const KNOWN_NAMES = 50;

/** Without a byte above 127 each length is one byte, and a character is a byte. */
function decodeAscii(text: string): Record<string, string> {
  const headers = Object.create(null) as Record<string, string>;
  const count = lengthAt(text, 0);
  let at = 1;
  for (let i = 0; i < count; i++) {
    const nameAt = at + 1;
    at = nameAt + lengthAt(text, at);
    let name = names[i];
    if (name?.length !== at - nameAt || !text.startsWith(name, nameAt)) {
      name = text.slice(nameAt, at);
      if (i < KNOWN_NAMES) names[i] = name;
    }
    const valueAt = at + 1;
    at = valueAt + lengthAt(text, at);
    headers[name] = text.slice(valueAt, at);
  }
  if (at > text.length) throw new RangeError("the record is longer than its batch");
  return headers;
}

/** Negative for null, which reads as empty; beyond the text's end there is none. */
function lengthAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code & 1 ? 0 : code >> 1;
}

function decodeHeaders(bytes: Buffer): Record<string, Buffer> {
  // No prototype: a header may be called __proto__.
  const headers = Object.create(null) as Record<string, Buffer>;
  const cursor = new Cursor(bytes, 0);
  for (let left = cursor.varint(); left > 0; left--) {
    const name = cursor.lengthAndBytes();
    headers[name?.toString("utf8") ?? ""] = cursor.lengthAndBytes() ?? Buffer.alloc(0);
  }
  return headers;
}
