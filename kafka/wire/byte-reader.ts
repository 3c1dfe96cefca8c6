/** Reads the fixed-length encodings of Kafka's protocol. @see https://kafka.apache.org/protocol#protocol_types */

const TWO_POW_32 = 2 ** 32;

/** Reads values one after the other. Every method throws a RangeError when the bytes end early. */
export class ByteReader {
  private position = 0;

  constructor(private readonly body: Buffer) {}

  int16(): number {
    return this.body.readInt16BE(this.advance(2));
  }

  int32(): number {
    return this.body.readInt32BE(this.advance(4));
  }

  /** Exact up to 2^53. */
  int64(): number {
    const start = this.advance(8);
    return this.body.readInt32BE(start) * TWO_POW_32 + this.body.readUInt32BE(start + 4);
  }

  bigint64(): bigint {
    return this.body.readBigInt64BE(this.advance(8));
  }

  /** Null is empty. */
  string(): string {
    const length = this.int16();
    if (length <= 0) return "";
    const start = this.advance(length);
    return this.body.toString("utf8", start, start + length);
  }

  /** Returns bytes of the same memory. Null is empty. */
  bytes(): Buffer {
    const length = Math.max(0, this.int32());
    const start = this.advance(length);
    return this.body.subarray(start, start + length);
  }

  /** Reads a list. Null is empty. */
  list<T>(read: () => T): T[] {
    const items: T[] = [];
    for (let left = this.int32(); left > 0; left--) items.push(read());
    return items;
  }

  skip(bytes: number): void {
    this.advance(bytes);
  }

  /** @returns the position before the next bytes. */
  private advance(bytes: number): number {
    const start = this.position;
    this.position += bytes;
    if (this.position > this.body.length) throw new RangeError("the response ends too early");
    return start;
  }
}
