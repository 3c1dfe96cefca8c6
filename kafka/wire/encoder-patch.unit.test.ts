import { expect, test } from "bun:test";
import fc from "fast-check";
import "./encoder-patch.ts";
import Encoder from "kafkajs/src/protocol/encoder.js";

const part = fc
  .tuple(fc.integer({ min: 0, max: 10_000 }), fc.nat(255))
  .map(([length, byte]) => Buffer.alloc(length, byte));

test("nested encoders return parts of any size in order, and report their size", () => {
  fc.assert(
    fc.property(fc.array(fc.array(part)), (encoders) => {
      let whole = new Encoder();
      const expected: Buffer[] = [];
      for (const [i, parts] of encoders.entries()) {
        const outer = new Encoder().writeInt16(i).writeEncoder(whole);
        for (const bytes of parts) outer.writeInt8(1).writeBuffer(bytes);
        expected.unshift(Buffer.from([i >> 8, i & 255]));
        for (const bytes of parts) expected.push(Buffer.from([1]), bytes);
        whole = outer;
      }
      const bytes = Buffer.concat(expected);
      expect(whole.size()).toBe(bytes.length);
      expect(whole.buffer).toEqual(bytes);
      expect(whole.buffer).toEqual(bytes);
      expect(whole.writeInt8(2).buffer).toEqual(Buffer.concat([bytes, Buffer.from([2])]));
    }),
  );
});
