/** Zig-zag variable-length integers of Kafka's record format (as in Protocol Buffers), for values of 31 bits and sign. */

/** Bytes that `value` takes. */
export function varintSize(value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let size = 1;
  while (rest > 0x7f) {
    rest >>>= 7;
    size++;
  }
  return size;
}

/** Writes `value` at `offset`. @returns the offset after it. */
export function writeVarint(into: Buffer, value: number, offset: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let at = offset;
  while (rest > 0x7f) {
    into[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  into[at++] = rest;
  return at;
}

/** Reads through a buffer. The varint readers throw a RangeError when the bytes end early. */
export class Cursor {
  constructor(
    readonly bytes: Buffer,
    public position: number,
  ) {}

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.position++];
      if (byte === undefined) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    throw new RangeError("the record's length does not fit its bytes");
  }

  /** For timestamp deltas, which may be longer than 31 bits; exact up to 2^53. */
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
    throw new RangeError("the record's timestamp does not fit its bytes");
  }

  /** A length and that many bytes of the same memory; null for length -1. */
  lengthAndBytes(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    const start = this.position;
    this.position += length;
    if (this.position > this.bytes.length) throw new RangeError("the record is longer than its batch");
    return this.bytes.subarray(start, this.position);
  }
}
