/**
 * Decodes record batches in Kafka's format 2. kafkajs' decoder drops batches that compaction has emptied, and with them
 * their offsets, so its reader requests the same offset forever. This decoder keeps empty batches.
 *
 * @see https://kafka.apache.org/documentation/#recordbatch
 */

import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { LockstepError } from "../../contracts/errors.ts";
import type { StoredRecord, TopicPartition } from "../log.ts";
import { crc32c } from "./crc32c.ts";
import { Cursor } from "./varint.ts";

/** A batch as the log stores it. */
export interface StoredBatch {
  readonly baseOffset: number;
  /** Offset after the batch, even if compaction has deleted its last records. */
  readonly nextOffset: number;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** True for a transaction's commit or abort marker, whose record is not data. */
  readonly isControl: boolean;
  /** True for an abort marker. */
  readonly isAbort: boolean;
  readonly isTransactional: boolean;
  readonly records: readonly StoredRecord[];
}

const HEADER_BYTES = 61;
/** Bits of a batch's attributes. */
const COMPRESSION = 7;
const LOG_APPEND_TIME = 8;
const TRANSACTIONAL = 16;
const CONTROL = 32;
/** Type of an abort marker, in the control record's key after its version. */
const ABORT = 0;

/** The bytes are damaged, or are a batch in a format or compression that this decoder does not support. */
export class UnreadableBatchError extends LockstepError {
  /** @param offset the batch's first offset. */
  constructor(topicPartition: TopicPartition, offset: number, reason: string) {
    super(
      "UNREADABLE_BATCH",
      `${topicPartition.topic}/${topicPartition.partition}: the batch at offset ${offset} cannot be read: ${reason}`,
    );
  }
}

/**
 * Decodes whole batches. Leaves out a batch that the size limit of a fetch has cut off at the end.
 *
 * @throws {UnreadableBatchError} for a wrong checksum, a format before 2 (Kafka 0.10), or a compression other than gzip
 * and zstd.
 */
export function decodeBatches(bytes: Buffer, topicPartition: TopicPartition): StoredBatch[] {
  const batches: StoredBatch[] = [];
  for (let start = 0; start + HEADER_BYTES <= bytes.length; ) {
    const end = start + 12 + bytes.readInt32BE(start + 8);
    if (end > bytes.length) break;
    batches.push(decodeBatch(bytes, start, end, topicPartition));
    start = end;
  }
  return batches;
}

/** Returns the offset after the last whole batch, or undefined when there is none. Decodes no record. */
export function offsetAfter(bytes: Buffer): number | undefined {
  let next: number | undefined;
  for (let start = 0; start + HEADER_BYTES <= bytes.length; ) {
    const end = start + 12 + bytes.readInt32BE(start + 8);
    if (end > bytes.length) break;
    next = Number(bytes.readBigInt64BE(start)) + bytes.readInt32BE(start + 23) + 1;
    start = end;
  }
  return next;
}

function decodeBatch(bytes: Buffer, start: number, end: number, topicPartition: TopicPartition): StoredBatch {
  const baseOffset = Number(bytes.readBigInt64BE(start));
  const unreadable = (reason: string) => new UnreadableBatchError(topicPartition, baseOffset, reason);
  const magic = bytes[start + 16];
  if (magic !== 2) throw unreadable(`its format is ${magic}, not 2`);
  if (crc32c(bytes, start + 21, end) !== bytes.readUInt32BE(start + 17)) throw unreadable("its checksum is wrong");
  const attributes = bytes.readInt16BE(start + 21);
  const count = bytes.readInt32BE(start + 57);
  const body = decompress(attributes & COMPRESSION, bytes, start + HEADER_BYTES, end, unreadable);
  const firstTimestampMs = Number(bytes.readBigInt64BE(start + 27));
  const appendTimeMs = attributes & LOG_APPEND_TIME ? Number(bytes.readBigInt64BE(start + 35)) : undefined;
  const records: StoredRecord[] = [];
  try {
    for (let i = 0; i < count; i++)
      records.push(decodeRecord(body, topicPartition, baseOffset, firstTimestampMs, appendTimeMs));
  } catch (error) {
    throw unreadable(error instanceof Error ? error.message : String(error));
  }
  const isControl = (attributes & CONTROL) !== 0;
  return {
    baseOffset,
    nextOffset: baseOffset + bytes.readInt32BE(start + 23) + 1,
    producerId: bytes.readBigInt64BE(start + 43),
    producerEpoch: bytes.readInt16BE(start + 51),
    isControl,
    isAbort: isControl && records[0]?.key?.readInt16BE(2) === ABORT,
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    records,
  };
}

/** Returns a cursor at the first record. */
function decompress(
  codec: number,
  bytes: Buffer,
  start: number,
  end: number,
  unreadable: (reason: string) => Error,
): Cursor {
  if (codec === 0) return new Cursor(bytes.subarray(0, end), start);
  const compressed = bytes.subarray(start, end);
  if (codec === 1) return new Cursor(gunzipSync(compressed), 0);
  if (codec === 4) return new Cursor(zstdDecompressSync(compressed), 0);
  // Topics made by ensureTopics have compression.type=uncompressed, so brokers decompress what other producers send.
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
  cursor.position++; // attributes, of which none is defined
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

/** Decodes headers at the first access, because most readers need them for few records. */
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

  /** The last value counts when a name occurs twice. A null value becomes empty. */
  get rawHeaders(): Readonly<Record<string, Buffer>> {
    this.decodedRawHeaders ??= decodeHeaders(this.headerBytes);
    return this.decodedRawHeaders;
  }

  get headers(): Readonly<Record<string, string>> {
    this.decodedHeaders ??= decodeHeaderTexts(this.headerBytes);
    return this.decodedHeaders;
  }
}

/** Decodes all headers from one string. A buffer or conversion per header costs more than the rest of the record. */
function decodeHeaderTexts(bytes: Buffer): Record<string, string> {
  const text = bytes.toString("latin1");
  if (Buffer.byteLength(text) === text.length) return decodeAscii(text);
  const headers = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(decodeHeaders(bytes))) headers[name] = value.toString("utf8");
  return headers;
}

/**
 * Header names of earlier records, by index. Most records have the same names, and comparing is cheaper than slicing a
 * new string.
 */
const cachedNames: string[] = [];
const MAX_CACHED_NAMES = 50;

/** In ASCII every length is one byte, and every character is one byte. */
function decodeAscii(text: string): Record<string, string> {
  const headers = Object.create(null) as Record<string, string>;
  const count = lengthAt(text, 0);
  let position = 1;
  for (let i = 0; i < count; i++) {
    const nameStart = position + 1;
    position = nameStart + lengthAt(text, position);
    let name = cachedNames[i];
    if (name?.length !== position - nameStart || !text.startsWith(name, nameStart)) {
      name = text.slice(nameStart, position);
      if (i < MAX_CACHED_NAMES) cachedNames[i] = name;
    }
    const valueStart = position + 1;
    position = valueStart + lengthAt(text, position);
    headers[name] = text.slice(valueStart, position);
  }
  if (position > text.length) throw new RangeError("the record is longer than its batch");
  return headers;
}

/** Returns the length at a position: 0 for null and beyond the end of the text. */
function lengthAt(text: string, position: number): number {
  const code = text.charCodeAt(position);
  return code & 1 ? 0 : code >> 1;
}

function decodeHeaders(bytes: Buffer): Record<string, Buffer> {
  // No prototype, because a header may have the name __proto__.
  const headers = Object.create(null) as Record<string, Buffer>;
  const cursor = new Cursor(bytes, 0);
  for (let left = cursor.varint(); left > 0; left--) {
    const name = cursor.lengthAndBytes();
    headers[name?.toString("utf8") ?? ""] = cursor.lengthAndBytes() ?? Buffer.alloc(0);
  }
  return headers;
}
