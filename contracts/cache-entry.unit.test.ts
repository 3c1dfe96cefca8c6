import { expect, test } from "bun:test";
import fc from "fast-check";
import { type CacheEntry, decodeEntry, encodeEntry } from "./cache-entry.ts";

test("an entry is read back as it was written, in its own epoch and shape only", () => {
  const body = fc.option(fc.jsonValue().map((value) => JSON.stringify({ value })));
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.nat(), body, (epoch, version, shape, text) => {
      const entry: CacheEntry = { version, body: text };
      expect(decodeEntry(encodeEntry(entry, epoch, shape), epoch, shape)).toEqual(entry);
      expect(decodeEntry(encodeEntry(entry, epoch, shape), epoch + 1, shape)).toBeUndefined();
      expect(decodeEntry(encodeEntry(entry, epoch, shape), epoch, shape + 1)).toBeUndefined();
    }),
  );
});

test("a lease, an empty text and nothing are no entries", () => {
  for (const text of ["lease 7", "", "7", "7 1", "7 1 1", null]) expect(decodeEntry(text, 7, 1)).toBeUndefined();
});
