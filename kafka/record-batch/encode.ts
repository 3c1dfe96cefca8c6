/**
 * Encodes an uncompressed record batch in Kafka's format 2. A batch is encoded once and keeps its bytes over all
 * retries. kafkajs encodes it again for each attempt, with a new timestamp and at a tenth of the speed.
 *
 * @see https://kafka.apache.org/documentation/#recordbatch
 */
import type { OutgoingRecord } from "../log.ts";
import { crc32c } from "./crc32c.ts";
import { varintSize, writeVarint } from "./varint.ts";

/** The producer of a batch, and the batch's position in the producer's sequence for the partition. */
export interface ProducerSequence {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** Number of records that this producer has sent to the partition before, 0 to 2^31 - 1. */
  readonly firstSequence: number;
  /** True when the batch belongs to a transaction. */
  readonly isTransactional: boolean;
}

const HEADER_BYTES = 61;
const bytesOf = (content: string | Buffer): number =>
  typeof content === "string" ? Buffer.byteLength(content) : content.length;

/**
 * Returns the size of a record in bytes, without the length in front of it. `offsetDelta` is its index in the batch.
 */
export function recordSize(record: OutgoingRecord, offsetDelta: number): number {
  // 2: one byte of attributes and one for the timestamp delta, which is 0 in these batches.
  const content = contentSize(record.key) + contentSize(record.value) + encodeHeaders(record.headers).length;
  return 2 + varintSize(offsetDelta) + content;
}

const encodedHeaders = new WeakMap<OutgoingRecord["headers"], string | Buffer>();

/**
 * Returns the encoded headers of a record, as bytes or as a string whose characters are the bytes. The result is cached
 * by the headers object: an event goes to several topics with the same headers, and each is measured before it is
 * written.
 */
function encodeHeaders(headers: OutgoingRecord["headers"]): string | Buffer {
  let encoded = encodedHeaders.get(headers);
  if (encoded === undefined) {
    encoded = headerText(headers) ?? headerBytes(headers);
    encodedHeaders.set(headers, encoded);
  }
  return encoded;
}

/** By number, up to 63: its one-byte varint as a character. */
const oneByte = Array.from({ length: 64 }, (_, n) => String.fromCharCode(2 * n));

/**
 * Returns all headers as one ASCII string, or undefined when one is a buffer, not ASCII, or longer than 63 characters.
 * Writing a dozen headers one by one takes three times as long.
 */
function headerText(headers: OutgoingRecord["headers"]): string | undefined {
  let text = "";
  let count = 0;
  for (const name of Object.keys(headers)) {
    const value = headers[name]!;
    const valueLength = oneByte[value.length];
    if (typeof value !== "string" || valueLength === undefined) return undefined;
    text += lengthAndName(name) + valueLength + value;
    count++;
  }
  text = oneByte[count] + text;
  return count < oneByte.length && Buffer.byteLength(text) === text.length ? text : undefined;
}

/** Cache of `lengthAndName`: every record has the same names. */
const namesWithLength = new Map<string, string>();
const MAX_CACHED_NAMES = 200;

/** A name of more than 63 characters gets a prefix that is not ASCII, so `headerText` discards the string. */
function lengthAndName(name: string): string {
  let cached = namesWithLength.get(name);
  if (cached === undefined) {
    cached = (oneByte[name.length] ?? "\x80") + name;
    if (namesWithLength.size < MAX_CACHED_NAMES) namesWithLength.set(name, cached);
  }
  return cached;
}

function headerBytes(headers: OutgoingRecord["headers"]): Buffer {
  const names = Object.keys(headers);
  // A varint takes at most five bytes, a UTF-16 unit at most three.
  const max = names.reduce((sum, name) => sum + 10 + 3 * name.length + 3 * headers[name]!.length, 5);
  const bytes = Buffer.allocUnsafe(max);
  let position = writeVarint(bytes, names.length, 0);
  for (const name of names) position = writeContent(bytes, headers[name]!, writeContent(bytes, name, position));
  return bytes.subarray(0, position);
}

function contentSize(content: string | Buffer | null): number {
  if (content === null) return 1;
  const size = bytesOf(content);
  return varintSize(size) + size;
}

/**
 * Encodes a batch.
 *
 * @param records at least one.
 * @param timestampMs the time of every record in the batch, milliseconds since 1970.
 */
export function encodeBatch(
  records: readonly OutgoingRecord[],
  producer: ProducerSequence,
  timestampMs: number,
): Buffer {
  const sizes = records.map(recordSize);
  const total = sizes.reduce((sum, size) => sum + varintSize(size) + size, HEADER_BYTES);
  const batch = Buffer.allocUnsafe(total);
  let position = HEADER_BYTES;
  for (let i = 0; i < records.length; i++) position = writeRecord(batch, records[i]!, i, sizes[i]!, position);

  batch.writeBigInt64BE(0n, 0); // base offset: the broker sets it
  batch.writeInt32BE(total - 12, 8);
  batch.writeInt32BE(-1, 12); // partition leader epoch: the broker sets it
  batch.writeInt8(2, 16); // magic
  batch.writeInt16BE(producer.isTransactional ? 16 : 0, 21); // attributes: no compression, create time
  batch.writeInt32BE(records.length - 1, 23);
  batch.writeBigInt64BE(BigInt(timestampMs), 27);
  batch.writeBigInt64BE(BigInt(timestampMs), 35);
  batch.writeBigInt64BE(producer.producerId, 43);
  batch.writeInt16BE(producer.producerEpoch, 51);
  batch.writeInt32BE(producer.firstSequence, 53);
  batch.writeInt32BE(records.length, 57);
  batch.writeUInt32BE(crc32c(batch, 21, total), 17);
  return batch;
}

function writeRecord(batch: Buffer, record: OutgoingRecord, offsetDelta: number, size: number, start: number): number {
  let position = writeVarint(batch, size, start);
  batch[position++] = 0; // attributes
  batch[position++] = 0; // timestamp delta
  position = writeVarint(batch, offsetDelta, position);
  position = writeContent(batch, record.key, position);
  position = writeContent(batch, record.value, position);
  const headers = encodeHeaders(record.headers);
  return (
    position + (typeof headers === "string" ? batch.write(headers, position, "latin1") : headers.copy(batch, position))
  );
}

function writeContent(batch: Buffer, content: string | Buffer | null, start: number): number {
  if (content === null) return writeVarint(batch, -1, start);
  if (typeof content !== "string") {
    const position = writeVarint(batch, content.length, start);
    return position + content.copy(batch, position);
  }
  const position = writeVarint(batch, Buffer.byteLength(content), start);
  return position + batch.write(content, position, "utf8");
}
