/** Reads Protocol Buffers' wire format, as much of it as tests need; written apart from the library that made the bytes. */

/** One member of a message: a number for varint and fixed fields, bytes for the rest. */
export type Member = { readonly field: number; readonly value: bigint | Uint8Array };

/** Members of a message in the order they stand. @throws {Error} for what is not a well-formed message. */
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
    else throw new Error(`wire type ${wireType} is not known`);
  }
}

/** A double of a fixed 64-bit member. */
export const toDouble = (value: bigint): number => new Float64Array(new BigUint64Array([value]).buffer)[0]!;

const fixed64 = (bytes: Uint8Array): bigint => new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);

/** Bytes of every member with this number. */
export const allMessages = (bytes: Uint8Array, field: number): Uint8Array[] =>
  [...members(bytes)].flatMap((m) => (m.field === field && typeof m.value !== "bigint" ? [m.value] : []));

/** Bytes of the last member with this number; empty when there is none, as proto3 says. */
export const bytesOf = (bytes: Uint8Array, field: number): Uint8Array =>
  allMessages(bytes, field).at(-1) ?? new Uint8Array();

export const textOf = (bytes: Uint8Array, field: number): string => new TextDecoder().decode(bytesOf(bytes, field));

/** Last number with this number; 0 when there is none, as proto3 says. */
export const numberOf = (bytes: Uint8Array, field: number): bigint =>
  ([...members(bytes)].findLast((m) => m.field === field && typeof m.value === "bigint")?.value as bigint) ?? 0n;
