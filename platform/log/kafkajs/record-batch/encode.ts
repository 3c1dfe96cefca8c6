/**
 * A record batch in Kafka's format 2, uncompressed. Encoded once, so that a batch that is sent again after a lost answer is
 * the same byte for byte; kafkajs encodes anew at each try, with another timestamp, and at a tenth of the speed.
 *
 * @see https://kafka.apache.org/documentation/#recordbatch
 */
import type { OutgoingRecord } from "../../log.ts";
import { crc32c } from "./crc32c.ts";
import { varintSize, writeVarint } from "./varint.ts";

/** Who writes a batch, and where it stands among the batches of this producer in its partition. */
export interface Sequenced {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** 0 to 2^31 - 1, then 0 again: counts this producer's records in this partition. */
  readonly firstSequence: number;
  /** Whether the batch belongs to a transaction of this producer. */
  readonly transactional: boolean;
}

const HEADER_BYTES = 61;
const bytesOf = (content: string | Buffer): number =>
  typeof content === "string" ? Buffer.byteLength(content) : content.length;

/** Bytes of one record without its own length, if it stands at `offsetDelta` in its batch. */
export function recordSize(record: OutgoingRecord, offsetDelta: number): number {
  // One byte of attributes, one for the timestamp's delta, which is 0 in our batches.
  const content = contentSize(record.key) + contentSize(record.value) + headerBytes(record.headers).length;
  return 2 + varintSize(offsetDelta) + content;
}

const encodedHeaders = new WeakMap<OutgoingRecord["headers"], Buffer>();
let scratch = Buffer.allocUnsafe(4_096);

/**
 * Headers as they stand in a record, encoded once for all who share the object: one event goes to several topics with the same
 * headers, and each is measured before it is written.
 */
function headerBytes(headers: OutgoingRecord["headers"]): Buffer {
  const known = encodedHeaders.get(headers);
  if (known) return known;
  const names = Object.keys(headers);
  let most = 5;
  // No character of a string takes more than three bytes.
  for (const name of names) most += 10 + 3 * name.length + 3 * headers[name]!.length;
  if (scratch.length < most) scratch = Buffer.allocUnsafe(most);
  let at = writeVarint(scratch, names.length, 0);
  for (const name of names) {
    at = writeName(scratch, name, at);
    at = writeContent(scratch, headers[name]!, at);
  }
  const encoded = Buffer.from(scratch.subarray(0, at));
  encodedHeaders.set(headers, encoded);
  return encoded;
}

/** Names repeat with every record. */
const encodedNames = new Map<string, Buffer>();
const KNOWN_NAMES = 200;

function writeName(into: Buffer, name: string, at: number): number {
  let encoded = encodedNames.get(name);
  if (!encoded) {
    const bytes = Buffer.alloc(5 + 3 * name.length);
    encoded = bytes.subarray(0, writeContent(bytes, name, 0));
    if (encodedNames.size < KNOWN_NAMES) encodedNames.set(name, encoded);
  }
  for (let i = 0; i < encoded.length; i++) into[at + i] = encoded[i]!;
  return at + encoded.length;
}

function contentSize(content: string | Buffer | null): number {
  if (content === null) return 1;
  const size = bytesOf(content);
  return varintSize(size) + size;
}

/** @param timestampMs of every record in the batch, milliseconds since 1970. */
export function encodeBatch(records: readonly OutgoingRecord[], by: Sequenced, timestampMs: number): Buffer {
  const sizes = records.map(recordSize);
  const total = sizes.reduce((sum, size) => sum + varintSize(size) + size, HEADER_BYTES);
  const batch = Buffer.allocUnsafe(total);
  let at = HEADER_BYTES;
  for (let i = 0; i < records.length; i++) at = writeRecord(batch, records[i]!, i, sizes[i]!, at);

  batch.writeBigInt64BE(0n, 0); // base offset: the broker sets it
  batch.writeInt32BE(total - 12, 8);
  batch.writeInt32BE(-1, 12); // partition leader epoch: the broker sets it
  batch.writeInt8(2, 16); // magic
  batch.writeInt16BE(by.transactional ? 16 : 0, 21); // attributes: no compression, create time
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
  return at + headerBytes(record.headers).copy(batch, at);
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
