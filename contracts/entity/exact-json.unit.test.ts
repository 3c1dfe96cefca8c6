import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { everyType } from "../../tests/harness/every-type.ts";
import { product } from "../../tests/project/index.ts";
import { isJsonbValue, isRawNumber, parseExact, parseLongNumbers } from "./exact-json.ts";
import { needsExactRows, parseDocument, parseRow } from "./parse.ts";

/** A number of JSON, as a text. */
const number = fc.oneof(
  fc.stringMatching(/^-?(0|[1-9]\d{0,30})(\.\d{1,20})?([eE][+-]?\d{1,3})?$/),
  fc.constantFrom("0", "-0", "-0.0", "1.0", "1e2", "1E400", "9007199254740992", "9007199254740993", "0.1", "1e21"),
);
/** JSON with its numbers as texts, so that every digit is known. */
const { json } = fc.letrec<{ json: string }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    number,
    fc.constantFrom("null", "true", '""', '"1.50"', '":1.50"', '"[1.0"', '", 12345678901234567890"'),
    fc.array(tie("json"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
    fc
      .array(tie("json"), { maxLength: 4 })
      .map((items) => `{${items.map((item, i) => `"m${i}"${i % 2 ? " " : ""}: ${item}`).join(", ")}}`),
  ),
}));

const compact = (text: string) => text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, "$1");

test("a parsed text is written with every digit as it was", () => {
  fc.assert(
    fc.property(json, (text) => {
      // JavaScript spells some numbers in another way that loses nothing: 1e2, but never -0 or 1.0.
      const written = JSON.stringify(parseExact(text));
      expect(written).toBe(compact(text));
    }),
    { numRuns: 5_000 },
  );
});

test("texts with few digits are not searched for numbers", () => {
  for (const text of ['{"a": 1.5, "b": [-3, 0.25]}', '{"at":"2026-01-02T03:04:05.670","id":"a1e5-00"}'])
    expect(Object.values(parseExact(text) as object).some(isRawNumber)).toBe(false);
});

test("a long number keeps its digits", () => {
  const text = '{"a":9007199254740993,"b":[123456789012345.678]}';
  expect(JSON.stringify(parseLongNumbers(text))).toBe(text);
  expect(parseLongNumbers('{"b":1.50}')).toEqual({ b: 1.5 });
});

describe("jsonb", () => {
  test("accepts any JSON that PostgreSQL stores, and nothing else", () => {
    for (const value of [null, 1, "a", [], {}, { a: [{ b: null }] }, parseExact("1.50"), "\u{1f600}"])
      expect(isJsonbValue(value)).toBe(true);
    for (const value of [
      undefined,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      "\0",
      { a: "\ud800" },
      { "\0": 1 },
      [() => 1],
    ])
      expect(isJsonbValue(value)).toBe(false);
  });

  test("may be nested deeper than a stack", () => {
    const text = "[".repeat(20_000) + "]".repeat(20_000);
    expect(isJsonbValue(JSON.parse(text))).toBe(true);
    expect(everyType.fields.jsonb!.schema.safeParse(JSON.parse(text)).success).toBe(true);
  });
});

describe("a document", () => {
  test("has exact numbers in nested JSON, and numbers of JavaScript elsewhere", () => {
    const read = parseDocument(
      everyType,
      '{"int": 1.0, "jsonb": {"price": 1.50}, "lines": [{"line": 2.0}], "more": 1.0}',
    );
    expect(JSON.stringify(read)).toBe('{"int":1,"jsonb":{"price":1.50},"lines":[{"line":2}],"more":1}');
  });

  test("without nested JSON is parsed as usual", () => {
    expect(parseDocument(product, '{"price": 1.0}')).toEqual({ price: 1 });
    expect(needsExactRows(product)).toBe(false);
    expect(() => parseDocument(product, "{")).toThrow(SyntaxError);
  });
});

test("a row has the digits that its columns need", () => {
  const { exact, big, money2 } = everyType.fields;
  const row = parseRow(everyType, '{"exact": 1.50, "big": 9007199254740993, "money2": 19.90}');
  expect([exact!.fromColumn(row.exact), big!.fromColumn(row.big), money2!.fromColumn(row.money2)]).toEqual([
    "1.50",
    "9007199254740993",
    "19.90",
  ]);
});
