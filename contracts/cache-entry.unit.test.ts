import { expect, test } from "bun:test";
import fc from "fast-check";
import { bodyOf, type Entry, parseEntry } from "./cache-entry.ts";

const raw = (epoch: number, entry: Entry, shape: number) => `${epoch} ${entry.version} ${bodyOf(entry, shape)}`;

test("an entry is read back as it was written, in its own epoch and shape only", () => {
  const body = fc.option(fc.jsonValue().map((value) => JSON.stringify({ value })));
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.nat(), body, (epoch, version, shape, text) => {
      const entry = { version, body: text };
      expect(parseEntry(raw(epoch, entry, shape), epoch, shape)).toEqual(entry);
      expect(parseEntry(raw(epoch, entry, shape), epoch + 1, shape)).toBeUndefined();
      expect(parseEntry(raw(epoch, entry, shape), epoch, shape + 1)).toBeUndefined();
    }),
  );
});

test("a lease, an empty text and nothing are no entries", () => {
  for (const text of ["lease 7", "", "7", "7 1", "7 1 1", null]) expect(parseEntry(text, 7, 1)).toBeUndefined();
});
