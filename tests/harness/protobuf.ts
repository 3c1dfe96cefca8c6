/** Reads the part of Protocol Buffers' wire format that tests need. Independent of the library that encodes the bytes. */

/** One member of a message: a number for varint and fixed fields, bytes for the rest. */
export type Member = { readonly field: number; readonly value: bigint | Uint8Array };

/** Yields the members of a message in order. @throws {Error} when the message is malformed. */
export function* members(bytes: Uint8Array): Generator<Member> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = view.getUint8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new Error(`a member of ${length} bytes goes past the end`);
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const field = Number(tag >> 3n);
    const wireType = Number(tag & 7n);
    if (wireType === 0) yield { field, value: varint() };
    else if (wireType === 1) yield { field, value: fixed64(take(8)) };
    else if (wireType === 2) yield { field, value: take(Number(varint())) };
    else if (wireType === 5)
      yield { field, value: BigInt(view.getUint32(take(4).byteOffset - bytes.byteOffset, true)) };
    else throw new Error(`unknown wire type ${wireType} of field ${field}`);
  }
}

/** Converts the bits of a fixed 64-bit member to a double. */
export const toDouble = (value: bigint): number => new Float64Array(new BigUint64Array([value]).buffer)[0]!;

const fixed64 = (bytes: Uint8Array): bigint => new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);

/** Returns the bytes of every length-delimited member with this field number. */
export const allMessages = (bytes: Uint8Array, field: number): Uint8Array[] =>
  [...members(bytes)].flatMap((m) => (m.field === field && typeof m.value !== "bigint" ? [m.value] : []));

/** Returns the bytes of the last member with this field number; empty when there is none (proto3's default). */
export const bytesOf = (bytes: Uint8Array, field: number): Uint8Array =>
  allMessages(bytes, field).at(-1) ?? new Uint8Array();

/** Returns the last member with this field number as text; empty when there is none. */
export const textOf = (bytes: Uint8Array, field: number): string => new TextDecoder().decode(bytesOf(bytes, field));

/** Returns the last numeric member with this field number; 0 when there is none (proto3's default). */
export const numberOf = (bytes: Uint8Array, field: number): bigint =>
  ([...members(bytes)].findLast((m) => m.field === field && typeof m.value === "bigint")?.value as bigint) ?? 0n;
