/**
 * A record batch in Kafka's format 2, uncompressed. Encoded once, so that a batch that is sent again after a lost answer is
 * the same byte for byte; kafkajs encodes anew at each try, with another timestamp, and at a tenth of the speed.
 *
 * @see https://kafka.apache.org/documentation/#recordbatch
 */
import type { OutgoingRecord } from "../log.ts";
import { crc32c } from "./crc32c.ts";
import { varintSize, writeVarint } from "./varint.ts";

/** Who writes a batch, and where it stands among the batches of this producer in its partition. */
export interface ProducerSequence {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** 0 to 2^31 - 1, then 0 again: counts this producer's records in this partition. */
  readonly firstSequence: number;
  /** Whether the batch belongs to a transaction of this producer. */
  readonly isTransactional: boolean;
}

const HEADER_BYTES = 61;
const bytesOf = (content: string | Buffer): number =>
  typeof content === "string" ? Buffer.byteLength(content) : content.length;

/** Bytes of one record without its own length, if it stands at `offsetDelta` in its batch. */
export function recordSize(record: OutgoingRecord, offsetDelta: number): number {
  // One byte of attributes, one for the timestamp's delta, which is 0 in our batches.
  const content = contentSize(record.key) + contentSize(record.value) + encodeHeaders(record.headers).length;
  return 2 + varintSize(offsetDelta) + content;
}

const encodedHeaders = new WeakMap<OutgoingRecord["headers"], string | Buffer>();

/**
 * Headers as they stand in a record, encoded once for all who share the object: one event goes to several topics with the same
 * headers, and each is measured before it is written. A text stands for its characters' codes, a byte each.
 */
function encodeHeaders(headers: OutgoingRecord["headers"]): string | Buffer {
  let encoded = encodedHeaders.get(headers);
  if (encoded === undefined) {
    encoded = headerText(headers) ?? headerBytes(headers);
    encodedHeaders.set(headers, encoded);
  }
  return encoded;
}

/** Lengths and counts that take one byte, as the character that stands for it. */
const oneByte = Array.from({ length: 64 }, (_, n) => String.fromCharCode(2 * n));

/** All headers as one text, for writing each of a dozen by itself costs three times as much; undefined when one is long or no ASCII. */
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

/** Names repeat with every record. */
const namesWithLength = new Map<string, string>();
const KNOWN_NAMES = 200;

/** What stands for no length here is no ASCII: the text is then not used. */
function lengthAndName(name: string): string {
  let known = namesWithLength.get(name);
  if (known === undefined) {
    known = (oneByte[name.length] ?? "\x80") + name;
    if (namesWithLength.size < KNOWN_NAMES) namesWithLength.set(name, known);
  }
  return known;
}

function headerBytes(headers: OutgoingRecord["headers"]): Buffer {
  const names = Object.keys(headers);
  // No varint takes more than five bytes, no character of a string more than three.
  const max = names.reduce((sum, name) => sum + 10 + 3 * name.length + 3 * headers[name]!.length, 5);
  const bytes = Buffer.allocUnsafe(max);
  let at = writeVarint(bytes, names.length, 0);
  for (const name of names) at = writeContent(bytes, headers[name]!, writeContent(bytes, name, at));
  return bytes.subarray(0, at);
}

function contentSize(content: string | Buffer | null): number {
  if (content === null) return 1;
  const size = bytesOf(content);
  return varintSize(size) + size;
}

/** @param timestampMs of every record in the batch, milliseconds since 1970. */
export function encodeBatch(records: readonly OutgoingRecord[], by: ProducerSequence, timestampMs: number): Buffer {
  const sizes = records.map(recordSize);
  const total = sizes.reduce((sum, size) => sum + varintSize(size) + size, HEADER_BYTES);
  const batch = Buffer.allocUnsafe(total);
  let at = HEADER_BYTES;
  for (let i = 0; i < records.length; i++) at = writeRecord(batch, records[i]!, i, sizes[i]!, at);

  batch.writeBigInt64BE(0n, 0); // base offset: the broker sets it
  batch.writeInt32BE(total - 12, 8);
  batch.writeInt32BE(-1, 12); // partition leader epoch: the broker sets it
  batch.writeInt8(2, 16); // magic
  batch.writeInt16BE(by.isTransactional ? 16 : 0, 21); // attributes: no compression, create time
  batch.writeInt32BE(records.length - 1, 23);
  batch.writeBigInt64BE(BigInt(timestampMs), 27);
  batch.writeBigInt64BE(BigInt(timestampMs), 35);
  batch.writeBigInt64BE(by.producerId, 43);
  batch.writeInt16BE(by.producerEpoch, 51);
  batch.writeInt32BE(by.firstSequence, 53);
  batch.writeInt32BE(records.length, 57);
  batch.writeUInt32BE(crc32c(batch, 21, total), 17);
  return batch;
}

function writeRecord(batch: Buffer, record: OutgoingRecord, offsetDelta: number, size: number, start: number): number {
  let at = writeVarint(batch, size, start);
  batch[at++] = 0; // attributes
  batch[at++] = 0; // timestamp delta
  at = writeVarint(batch, offsetDelta, at);
  at = writeContent(batch, record.key, at);
  at = writeContent(batch, record.value, at);
  const headers = encodeHeaders(record.headers);
  return at + (typeof headers === "string" ? batch.write(headers, at, "latin1") : headers.copy(batch, at));
}

function writeContent(batch: Buffer, content: string | Buffer | null, start: number): number {
  if (content === null) return writeVarint(batch, -1, start);
  if (typeof content !== "string") {
    const at = writeVarint(batch, content.length, start);
    return at + content.copy(batch, at);
  }
  const at = writeVarint(batch, Buffer.byteLength(content), start);
  return at + batch.write(content, at, "utf8");
}
