import { expect, test } from "bun:test";
import fc from "fast-check";
import { RequestError } from "./errors.ts";
import { decodeSyncTokens, encodeSyncToken, MAX_TOKEN_ENTRIES, type TokenEntry } from "./sync-token.ts";

/** Few, so that entries of one entity repeat, and two entities have equal ids. */
const ids = [...Array.from({ length: 3 }, () => crypto.randomUUID()), "42", "a%2Cb:1;2,é", '"x"'];
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

test("a token of UUIDs is as earlier releases read it, and any other key's text comes back", () => {
  const id = "0197f3a0-0000-7000-8000-000000000001";
  expect(Buffer.from(encodeSyncToken([{ plural: "products", id, version: 7 }]), "base64url").toString()).toBe(
    `1;products:${id}:7`,
  );
  const order = { plural: "order_lines", id: "7,a;b:c,é", version: Number.MAX_SAFE_INTEGER };
  expect(decodeSyncTokens(encodeSyncToken([order]))).toEqual([order]);
});

test("a token of one entity has any id; several with long ids are rejected, whatever their versions are", () => {
  const long = { plural: "pages", id: "x".repeat(2_700), version: 1 };
  expect(decodeSyncTokens(encodeSyncToken([long]))).toEqual([long]);
  const three = ["a", "b", "c"].map((letter) => ({ ...long, id: long.id + letter }));
  expect(encodeSyncToken(three.slice(1)).length).toBeLessThan(8_192);
  for (const version of [1, Number.MAX_SAFE_INTEGER])
    expect(() => encodeSyncToken(three.map((entry) => ({ ...entry, version })))).toThrow(
      "covers too many entities with long ids",
    );
});
