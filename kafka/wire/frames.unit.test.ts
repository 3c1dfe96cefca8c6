import { expect, test } from "bun:test";
import fc from "fast-check";
import { ConnectionError } from "./broker-errors.ts";
import { ResponseReader } from "./frames.ts";

const response = (correlationId: number, body: Uint8Array) => {
  const header = Buffer.alloc(8);
  header.writeInt32BE(4 + body.length, 0);
  header.writeInt32BE(correlationId, 4);
  return Buffer.concat([header, body]);
};

test("responses are the same for every division of their bytes into chunks", () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
  fc.assert(
    fc.property(bodies, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sent, sizes) => {
      const bytes = Buffer.concat(sent.map((body, id) => response(id, body)));
      const received: [number, Buffer][] = [];
      const reader = new ResponseReader((id, body) => received.push([id, body]));
      for (let start = 0, i = 0; start < bytes.length; i++) {
        const end = start + sizes[i % sizes.length]!;
        reader.read(Buffer.from(bytes.subarray(start, end)));
        start = end;
      }
      expect(received).toEqual(sent.map((body, id) => [id, Buffer.from(body)]));
    }),
  );
});

test("a length that no response has is refused before memory is reserved for it", () => {
  // The last one begins like the answer of a server that expects TLS.
  for (const length of [-1, 0, 3, 0x15030300]) {
    const bytes = Buffer.alloc(8);
    bytes.writeInt32BE(length);
    expect(() => new ResponseReader(() => {}).read(bytes)).toThrow(ConnectionError);
  }
});
