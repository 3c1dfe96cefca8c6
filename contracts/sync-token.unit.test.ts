import { expect, test } from "bun:test";
import fc from "fast-check";
import { RequestError } from "./errors.ts";
import { decodeSyncTokens, encodeSyncToken, MAX_TOKEN_ENTRIES, type TokenEntry } from "./sync-token.ts";

/** Few, so that entries of one entity repeat, and two entities have equal ids. */
const ids = Array.from({ length: 4 }, () => crypto.randomUUID());
const tokenEntry = fc.record({
  plural: fc.constantFrom("products", "orders"),
  id: fc.constantFrom(...ids),
  version: fc.integer({ min: 1, max: 2 ** 40 }),
});

test("several tokens combine to one that has each entity with its newest version", () => {
  fc.assert(
    fc.property(fc.array(tokenEntry, { minLength: 1, maxLength: 20 }), (writes) => {
      const all = [...writes, { ...writes[0]!, version: writes[0]!.version + 1 }];
      const expected = new Map<string, TokenEntry>();
      for (const write of all) {
        const key = write.plural + write.id;
        if (write.version > (expected.get(key)?.version ?? 0)) expected.set(key, write);
      }
      const header = all.map((write) => encodeSyncToken([write])).join(", ");
      const byId = (list: readonly TokenEntry[]) =>
        list.toSorted((a, b) => (a.plural + a.id < b.plural + b.id ? -1 : 1));
      expect(byId(decodeSyncTokens(header))).toEqual(byId([...expected.values()]));
      expect(byId(decodeSyncTokens(encodeSyncToken(all)))).toEqual(byId([...expected.values()]));
    }),
  );
});

test("a token that no write returned is rejected, and so is one for more than 100 entities", () => {
  const valid = { plural: "products", id: crypto.randomUUID(), version: 1 };
  for (const wrong of [
    "",
    "x",
    "eA",
    Buffer.from("1;products:1:1").toString("base64url"),
    `${encodeSyncToken([valid])}!,`,
  ])
    expect(() => decodeSyncTokens(wrong)).toThrow(
      new RequestError("MALFORMED", "The header Sync-Token contains a token that no write returned."),
    );
  const many = Array.from({ length: MAX_TOKEN_ENTRIES + 1 }, () => ({ ...valid, id: crypto.randomUUID() }));
  expect(() => encodeSyncToken(many)).toThrow(
    "The header Sync-Token covers more than 100 entities; leave out tokens of writes that every replica has.",
  );
  expect(() => decodeSyncTokens(many.map((one) => encodeSyncToken([one])).join(","))).toThrow(
    "The header Sync-Token covers more than 100 entities.",
  );
  expect(decodeSyncTokens(encodeSyncToken(many.slice(1)))).toHaveLength(MAX_TOKEN_ENTRIES);
  expect(decodeSyncTokens(undefined)).toEqual([]);
});
