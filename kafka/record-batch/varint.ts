/** Zigzag variable-length integers of Kafka's record format, as in Protocol Buffers, for signed 32-bit values. */

/** Returns the number of bytes that `value` takes, 1 to 5. */
export function varintSize(value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let size = 1;
  while (rest > 0x7f) {
    rest >>>= 7;
    size++;
  }
  return size;
}

/** Writes `value` at `position`. @returns the position after it. */
export function writeVarint(buffer: Buffer, value: number, position: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let end = position;
  while (rest > 0x7f) {
    buffer[end++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[end++] = rest;
  return end;
}

/** Reads values from a buffer, one after the other. Every method throws a RangeError when the buffer ends early. */
export class Cursor {
  constructor(
    readonly bytes: Buffer,
    public position: number,
  ) {}

  /** Reads a signed 32-bit value. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.position++];
      if (byte === undefined) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    throw new RangeError("a number in the record has no end");
  }

  /** Reads a signed 64-bit value, such as a timestamp delta. Exact up to 2^53. */
  varlong(): number {
    const first = this.bytes[this.position];
    if (first !== undefined && first < 0x80) return this.varint();
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.position++];
      if (byte === undefined) break;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number((value >> 1n) ^ -(value & 1n));
    }
    throw new RangeError("the timestamp of the record has no end");
  }

  /** Reads a length and returns that many bytes of the same memory; null for length -1. */
  lengthAndBytes(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    const start = this.position;
    this.position += length;
    if (this.position > this.bytes.length) throw new RangeError("the record is longer than its batch");
    return this.bytes.subarray(start, this.position);
  }
}
