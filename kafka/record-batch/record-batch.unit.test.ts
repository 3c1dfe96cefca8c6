import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import Decoder from "kafkajs/src/protocol/decoder.js";
import Encoder from "kafkajs/src/protocol/encoder.js";
import decodeMessages from "kafkajs/src/protocol/requests/fetch/v4/decodeMessages.js";
import { crc32c } from "./crc32c.ts";
import { decodeBatches, offsetAfter, UnreadableBatchError } from "./decode.ts";
import { encodeBatch, recordSize } from "./encode.ts";
import { Cursor, varintSize, writeVarint } from "./varint.ts";

const topicPartition = { topic: "t", partition: 3 };
const producer = { producerId: 4711n, producerEpoch: 7, firstSequence: 99, isTransactional: false };
const content = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ minLength: 62, maxLength: 66 }), // one byte or two for its length
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
);
const anyRecord = fc.record({
  key: fc.option(content),
  value: fc.option(content),
  headers: fc.dictionary(fc.string(), content, { maxKeys: 5 }),
});
const bytesOf = (value: string | Buffer | null) => (value === null ? null : Buffer.from(value));

test("an encoded batch decodes to the same records, here and in kafkajs", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyRecord, { minLength: 1, maxLength: 20 }), async (records) => {
      const encoded = encodeBatch(records, producer, 1_700_000_000_123);
      const [batch] = decodeBatches(encoded, topicPartition);
      expect(batch).toMatchObject({ baseOffset: 0, nextOffset: records.length, producerId: 4711n, producerEpoch: 7 });
      expect(batch!.records.map(({ key, value, timestampMs }) => ({ key, value, timestampMs }))).toEqual(
        records.map(({ key, value }) => ({ key: bytesOf(key), value: bytesOf(value), timestampMs: 1_700_000_000_123 })),
      );
      for (const [i, { headers }] of records.entries())
        for (const [name, value] of Object.entries(headers)) {
          expect(batch!.records[i]!.rawHeaders[name]).toEqual(bytesOf(value)!);
          expect(batch!.records[i]!.headers[name]).toBe(bytesOf(value)!.toString("utf8"));
        }
      const kafkajsRecords = await decodeMessages(new Decoder(new Encoder().writeBytes(encoded).buffer));
      expect(kafkajsRecords.map(({ key, value, offset }) => [key, value, offset])).toEqual(
        records.map(({ key, value }, i) => [bytesOf(key), bytesOf(value), String(i)]),
      );
    }),
  );
});

test("recordSize returns the size that a record has in its batch", () => {
  fc.assert(
    fc.property(anyRecord, (record) => {
      const size = recordSize(record, 0);
      expect(encodeBatch([record], producer, 1).length).toBe(61 + varintSize(size) + size);
    }),
  );
});

test("encoding the same records twice returns the same bytes", () => {
  const records = [{ key: "a", value: "b", headers: { c: "d" } }];
  expect(encodeBatch(records, producer, 5)).toEqual(encodeBatch(records, producer, 5));
});

test("every 32-bit number is the same after varint encoding and decoding", () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (value) => {
      const buffer = Buffer.alloc(5);
      const end = writeVarint(buffer, value, 0);
      expect(end).toBe(varintSize(value));
      expect(new Cursor(buffer, 0).varint()).toBe(value);
      expect(new Cursor(buffer, 0).varlong()).toBe(value);
    }),
  );
});

test("the checksum is CRC-32C: it matches the values of RFC 3720 and the usual check value", () => {
  const digits = Buffer.from("123456789");
  expect(crc32c(digits, 0, digits.length)).toBe(0xe3069283);
  expect(crc32c(Buffer.alloc(32), 0, 32)).toBe(0x8a9136aa);
  expect(crc32c(Buffer.alloc(32, 0xff), 0, 32)).toBe(0x62a8ab43);
});

test("the checksum of any bytes matches a bit-by-bit calculation", () => {
  const bitByBit = (bytes: Uint8Array) => {
    let crc = -1;
    for (const byte of bytes) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    }
    return ~crc >>> 0;
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), fc.nat(20), (bytes, start) => {
      expect(crc32c(bytes, Math.min(start, bytes.length), bytes.length)).toBe(bitByBit(bytes.subarray(start)));
    }),
  );
});

test("a changed byte makes the batch unreadable", () => {
  const batch = encodeBatch([{ key: "a", value: "hello", headers: {} }], producer, 1);
  batch[batch.length - 3]! ^= 1;
  expect(() => decodeBatches(batch, topicPartition)).toThrow(UnreadableBatchError);
});

test("a batch that is cut off at the end is left out", () => {
  const batch = encodeBatch([{ key: "a", value: "hello", headers: {} }], producer, 1);
  const two = Buffer.concat([batch, batch.subarray(0, batch.length - 1)]);
  expect(decodeBatches(two, topicPartition)).toHaveLength(1);
  expect(offsetAfter(two)).toBe(1);
  expect(offsetAfter(two.subarray(0, 40))).toBeUndefined();
});

/** Changes fields of a batch like a broker would, and updates its checksum. */
function rewrite(batch: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(batch);
  change(copy);
  copy.writeInt32BE(copy.length - 12, 8);
  copy.writeUInt32BE(crc32c(copy, 21, copy.length), 17);
  return copy;
}

test("a damaged batch is refused with its partition, its offset and what is wrong", () => {
  const batch = encodeBatch([{ key: "a", value: "hello", headers: {} }], producer, 1);
  const refused = (bytes: Buffer) => expect(() => decodeBatches(bytes, topicPartition));
  const damaged = Buffer.from(batch);
  damaged[30]! ^= 1;
  refused(damaged).toThrow("t/3: the batch at offset 0 cannot be read: its checksum is wrong");
  refused(rewrite(batch, (copy) => void copy.writeInt8(1, 16))).toThrow("its format is 1, not 2");
  // The record: its length, attributes, time, offset, key, value, headers.
  const cut = (at: number, byte: number) => rewrite(batch, (copy) => void copy.fill(byte, at));
  refused(cut(61, 0xff)).toThrow("a number in the record has no end");
  refused(cut(63, 0xff)).toThrow("the timestamp of the record has no end");
  refused(cut(67, 0x7e)).toThrow("the record is longer than its batch");
});

test("a batch that compaction has emptied keeps its offsets", () => {
  const batch = encodeBatch([{ key: "a", value: "b", headers: {} }], producer, 1).subarray(0, 61);
  const empty = rewrite(batch, (copy) => {
    copy.writeBigInt64BE(40n, 0);
    copy.writeInt32BE(9, 23);
    copy.writeInt32BE(0, 57);
  });
  expect(decodeBatches(empty, topicPartition)).toMatchObject([{ baseOffset: 40, nextOffset: 50, records: [] }]);
  expect(offsetAfter(empty)).toBe(50);
});

test("a transaction's marker is recognized as a control batch", () => {
  const marker = rewrite(encodeBatch([{ key: "\0\0\0\u0001", value: "x", headers: {} }], producer, 1), (copy) => {
    copy.writeInt16BE(0x30, 21);
  });
  expect(decodeBatches(marker, topicPartition)[0]!.isControl).toBe(true);
});

test("gzip is decompressed, and an unsupported compression is reported with partition and offset", () => {
  const plain = encodeBatch([{ key: "a", value: "hello", headers: {} }], producer, 1);
  const compressed = (codec: number) =>
    rewrite(Buffer.concat([plain.subarray(0, 61), gzipSync(plain.subarray(61))]), (copy) => {
      copy.writeInt16BE(codec, 21);
    });
  expect(String(decodeBatches(compressed(1), topicPartition)[0]!.records[0]!.value)).toBe("hello");
  expect(() => decodeBatches(compressed(2), topicPartition)).toThrow(
    "t/3: the batch at offset 0 cannot be read: compression snappy",
  );
});

test("a header with the name __proto__ is decoded like others", () => {
  const headers = JSON.parse('{"__proto__": "x"}') as Record<string, string>;
  const [batch] = decodeBatches(encodeBatch([{ key: null, value: null, headers }], producer, 1), topicPartition);
  expect(Object.entries(batch!.records[0]!.headers)).toEqual([["__proto__", "x"]]);
});
