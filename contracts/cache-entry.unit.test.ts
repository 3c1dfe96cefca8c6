import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  type CacheEntry,
  cachePrefix,
  decodeEntry,
  encodeEntry,
  entryKey,
  idOfEntryKey,
  stateKey,
} from "./cache-entry.ts";

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

test("no id has the key of the cache's state, and the key of an entry names its id", () => {
  const prefix = cachePrefix("catalog", { namespace: "", plural: "products" });
  for (const id of ["state", "7,a", "é{}", "0197f3a0-0000-7000-8000-000000000001"])
    expect(idOfEntryKey(prefix, entryKey(prefix, id))).toBe(id);
  expect(idOfEntryKey(prefix, stateKey(prefix))).toBeUndefined();
  expect(idOfEntryKey(prefix, `${prefix}:%zz`)).toBeUndefined();
});
