/**
 * kafkajs 2.2.4 puts a request together by copying its body into one buffer after the other, each filled with zeros before and up to
 * twice as large: a batch was copied three times, into memory that the kernel had to provide anew each time. This keeps large parts as
 * they are until the request is whole, and copies them once.
 */
import Encoder from "kafkajs/src/protocol/encoder.js";

const LARGE_BYTES = 4_096;

/** What an encoder holds before its own bytes. */
interface Parts {
  readonly before: Buffer[];
  bytes: number;
}
const partsOf = new WeakMap<Encoder, Parts>();
const kafkajs = Encoder.prototype;
const { writeBufferInternal, writeEncoder, size } = kafkajs;
const bufferOf = Object.getOwnPropertyDescriptor(kafkajs, "buffer")!.get as (this: Encoder) => Buffer;

function append(encoder: Encoder, large: readonly Buffer[]): void {
  const parts = partsOf.get(encoder) ?? { before: [], bytes: 0 };
  partsOf.set(encoder, parts);
  for (const part of [encoder.buf.subarray(0, encoder.offset), ...large]) {
    parts.before.push(part);
    parts.bytes += part.length;
  }
  encoder.buf = Buffer.alloc(64);
  encoder.offset = 0;
}

kafkajs.writeBufferInternal = function (buffer) {
  if (buffer.length < LARGE_BYTES) writeBufferInternal.call(this, buffer);
  else append(this, [buffer]);
};

kafkajs.writeEncoder = function (other) {
  const parts = partsOf.get(other);
  if (!parts) return writeEncoder.call(this, other);
  append(this, [...parts.before, bufferOf.call(other)]);
  return this;
};

kafkajs.size = function () {
  return size.call(this) + (partsOf.get(this)?.bytes ?? 0);
};

Object.defineProperty(kafkajs, "buffer", {
  get(this: Encoder) {
    const parts = partsOf.get(this);
    const own = bufferOf.call(this);
    if (!parts) return own;
    this.buf = Buffer.concat([...parts.before, own]);
    this.offset = this.buf.length;
    partsOf.delete(this);
    return this.buf;
  },
});
