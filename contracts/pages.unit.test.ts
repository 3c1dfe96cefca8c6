import { expect, test } from "bun:test";
import fc from "fast-check";
import { readKey } from "./entity/key.ts";
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, parsePageRequest, toPage } from "./pages.ts";

const entity = { name: "sample", key: ["id"], fields: { id: { type: "uuid" } } };

const ids = fc.uniqueArray(fc.uuid(), { maxLength: 40 }).map((list) => list.sort());

test("pages of any size contain every row once, in order", () => {
  fc.assert(
    fc.property(ids, fc.integer({ min: 1, max: 10 }), (all, limit) => {
      const read: string[] = [];
      let cursor: string | null = null;
      do {
        const request = parsePageRequest({ limit: String(limit), ...(cursor ? { cursor } : {}) }, entity);
        const rows = all.filter((id) => !request.after || id > request.after).slice(0, request.limit + 1);
        const page = toPage(
          rows.map((id) => ({ id })),
          request.limit,
          ({ id }) => id,
        );
        read.push(...page.items.map(({ id }) => id));
        cursor = page.nextCursor;
      } while (cursor);
      expect(read).toEqual(all);
    }),
  );
});

test("a request without parameters gets the first page of the default size", () => {
  expect(parsePageRequest({}, entity)).toEqual({ after: undefined, limit: DEFAULT_PAGE_SIZE });
});

test("a limit that is not a whole number in its range is malformed", () => {
  for (const limit of ["0", "-1", String(MAX_PAGE_SIZE + 1), "", "ten", "1.5", "1e1", " 5", "0x5", "9".repeat(400)])
    expect(() => parsePageRequest({ limit }, entity)).toThrow(
      expect.objectContaining({
        code: "MALFORMED",
        message: "The query parameter limit must be a whole number from 1 to 100.",
        details: { violations: [expect.objectContaining({ pointer: "limit" })] },
      }),
    );
});

test("a cursor that no page returned is malformed", () => {
  fc.assert(
    fc.property(fc.string(), (cursor) => {
      fc.pre(readKey(entity, Buffer.from(cursor, "base64url").toString()) === undefined);
      expect(() => parsePageRequest({ cursor }, entity)).toThrow(
        expect.objectContaining({
          code: "MALFORMED",
          message: "The query parameter cursor must be the nextCursor of a page.",
        }),
      );
    }),
  );
});
