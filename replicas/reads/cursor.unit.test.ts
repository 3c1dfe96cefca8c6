import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeCursor, encodeCursor, parseId } from "./cursor.ts";

test("a cursor gives back the id that it was made of", () => {
  fc.assert(fc.property(fc.uuid(), (id) => expect(decodeCursor(encodeCursor(id))).toBe(id)));
});

test("what no server made is no cursor", () => {
  fc.assert(fc.property(fc.string(), (text) => expect(decodeCursor(text)).toBeUndefined()));
  const cursor = encodeCursor("0197f3a2-0000-7000-8000-000000000000");
  for (const wrong of [`${cursor}=`, cursor.slice(1), `${cursor} `, ""]) expect(decodeCursor(wrong)).toBeUndefined();
});

test("an id may be written in upper case, and nothing but a UUID is one", () => {
  expect(parseId("0197F3A2-0000-7000-8000-00000000000A")).toBe("0197f3a2-0000-7000-8000-00000000000a");
  for (const wrong of ["", "1", "0197f3a2000070008000000000000000", "0197f3a2-0000-7000-8000-00000000000g"])
    expect(parseId(wrong)).toBeUndefined();
});
