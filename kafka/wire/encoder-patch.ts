/**
 * A patch for kafkajs 2.2.4, which copies the body of a request into several buffers in turn. Each is zero-filled first
 * and up to twice as large, so a batch was copied three times. The patch keeps large parts as they are until the
 * request is complete, and copies them once.
 */
import Encoder from "kafkajs/src/protocol/encoder.js";

/** Smaller parts are copied at once, as in kafkajs. */
const LARGE_BYTES = 4_096;

/** Buffers that precede the encoder's own bytes, and their total length. */
interface Parts {
  readonly preceding: Buffer[];
  bytes: number;
}
const partsOf = new WeakMap<Encoder, Parts>();
const kafkajs = Encoder.prototype;
const { writeBufferInternal, writeEncoder, size } = kafkajs;
const bufferOf = Object.getOwnPropertyDescriptor(kafkajs, "buffer")!.get as (this: Encoder) => Buffer;

function append(encoder: Encoder, large: readonly Buffer[]): void {
  const parts = partsOf.get(encoder) ?? { preceding: [], bytes: 0 };
  partsOf.set(encoder, parts);
  for (const part of [encoder.buf.subarray(0, encoder.offset), ...large]) {
    parts.preceding.push(part);
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
  append(this, [...parts.preceding, bufferOf.call(other)]);
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
    this.buf = Buffer.concat([...parts.preceding, own]);
    this.offset = this.buf.length;
    partsOf.delete(this);
    return this.buf;
  },
});
