/** Writes the fixed-length encodings of Kafka's protocol. @see https://kafka.apache.org/protocol#protocol_types */

const TWO_POW_32 = 2 ** 32;

/** Returns the number of bytes that a string takes. */
export const stringSize = (text: string | null): number => 2 + (text === null ? 0 : Buffer.byteLength(text));

/** Writes values one after the other into a buffer of known size. */
export class ByteWriter {
  readonly bytes: Buffer;

  /** @param size in bytes, with everything before `position`. */
  constructor(
    size: number,
    private position: number,
  ) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  int8(value: number): this {
    this.bytes[this.position++] = value;
    return this;
  }

  int16(value: number): this {
    this.position = this.bytes.writeInt16BE(value, this.position);
    return this;
  }

  int32(value: number): this {
    this.position = this.bytes.writeInt32BE(value, this.position);
    return this;
  }

  /** @param value at most 2^53. */
  int64(value: number): this {
    this.bytes.writeInt32BE(Math.floor(value / TWO_POW_32), this.position);
    this.position = this.bytes.writeUInt32BE(value >>> 0, this.position + 4);
    return this;
  }

  string(text: string | null): this {
    if (text === null) return this.int16(-1);
    const written = this.bytes.write(text, this.position + 2, "utf8");
    this.bytes.writeInt16BE(written, this.position);
    this.position += 2 + written;
    return this;
  }

  /** Writes a length and the content. */
  content(content: Buffer): this {
    this.int32(content.length);
    this.position += content.copy(this.bytes, this.position);
    return this;
  }
}
