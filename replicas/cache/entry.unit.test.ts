import { expect, test } from "bun:test";
import fc from "fast-check";
import { bodyOf, type Entry, parseEntry } from "./entry.ts";

const raw = (epoch: number, entry: Entry) => `${epoch} ${entry.version} ${bodyOf(entry)}`;

test("an entry is read back as it was written, in its own epoch only", () => {
  const body = fc.option(fc.jsonValue().map((value) => JSON.stringify({ value })));
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), body, (epoch, version, text) => {
      const entry = { version, body: text };
      expect(parseEntry(raw(epoch, entry), epoch)).toEqual(entry);
      expect(parseEntry(raw(epoch, entry), epoch + 1)).toBeUndefined();
    }),
  );
});

test("a lease, an empty text and nothing are no entries", () => {
  for (const text of ["lease 7", "", "7", "7 1", null]) expect(parseEntry(text, 7)).toBeUndefined();
});
