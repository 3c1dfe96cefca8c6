import { expect, test } from "bun:test";
import fc from "fast-check";
import { DEFAULT_PAGE_SIZE, isId, MAX_PAGE_SIZE, parsePageRequest, toPage } from "./pages.ts";

const ids = fc.uniqueArray(fc.uuid(), { maxLength: 40 }).map((list) => list.sort());

test("pages of any size go through every row once, in order", () => {
  fc.assert(
    fc.property(ids, fc.integer({ min: 1, max: 10 }), (all, limit) => {
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const asked = parsePageRequest({ limit: String(limit), ...(cursor ? { cursor } : {}) });
        const rows = all.filter((id) => !asked.after || id > asked.after).slice(0, asked.limit + 1);
        const page = toPage(
          rows.map((id) => ({ id })),
          asked.limit,
        );
        seen.push(...page.items.map(({ id }) => id));
        cursor = page.nextCursor;
      } while (cursor);
      expect(seen).toEqual(all);
    }),
  );
});

test("a request that does not say gets the first page of the usual size", () => {
  expect(parsePageRequest({})).toEqual({ after: undefined, limit: DEFAULT_PAGE_SIZE });
});

test("a limit that is no whole number in its range is malformed", () => {
  for (const limit of ["0", "-1", String(MAX_PAGE_SIZE + 1), "", "ten", "1.5", "1e1", " 5", "0x5", "9".repeat(400)])
    expect(() => parsePageRequest({ limit })).toThrow(
      expect.objectContaining({
        code: "MALFORMED",
        details: { violations: [expect.objectContaining({ pointer: "limit" })] },
      }),
    );
});

test("a cursor that no page gave is malformed", () => {
  fc.assert(
    fc.property(fc.string(), (cursor) => {
      fc.pre(!isId(Buffer.from(cursor, "base64url").toString()));
      expect(() => parsePageRequest({ cursor })).toThrow(expect.objectContaining({ code: "MALFORMED" }));
    }),
  );
});
