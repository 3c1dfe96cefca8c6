import { expect, test } from "bun:test";
import fc from "fast-check";
import { type CacheEntry, decodeEntry, encodeEntry } from "./cache-entry.ts";

test("an entry is decoded in its own epoch and schema version only", () => {
  const body = fc.option(fc.jsonValue().map((value) => JSON.stringify({ value })));
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.nat(), body, (epoch, version, schemaVersion, text) => {
      const entry: CacheEntry = { version, body: text };
      expect(decodeEntry(encodeEntry(entry, epoch, schemaVersion), epoch, schemaVersion)).toEqual(entry);
      expect(decodeEntry(encodeEntry(entry, epoch, schemaVersion), epoch + 1, schemaVersion)).toBeUndefined();
      expect(decodeEntry(encodeEntry(entry, epoch, schemaVersion), epoch, schemaVersion + 1)).toBeUndefined();
    }),
  );
});

test("a lease, an incomplete text and a missing value are no entries", () => {
  for (const text of ["lease 7", "", "7", "7 1", "7 1 1", null]) expect(decodeEntry(text, 7, 1)).toBeUndefined();
});
