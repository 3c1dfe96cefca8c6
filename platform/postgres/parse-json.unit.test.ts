import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseJson } from "./parse-json.ts";

test("a number that JavaScript would round becomes a text of its digits", () => {
  expect(
    parseJson('{"a": 1234567890.12345678, "b": [9007199254740993, -0.10000000000000000001], "c": {"d": 1e400}}'),
  ).toEqual({ a: "1234567890.12345678", b: ["9007199254740993", "-0.10000000000000000001"], c: { d: Infinity } });
});

test("any other number stays a number, also with zeros at its end", () => {
  expect(parseJson("[19.90, 9007199254740991, 1234567890.1200000000, 0.30000000000000004, 0.0000001]")).toEqual([
    19.9, 9007199254740991, 1234567890.12, 0.30000000000000004, 1e-7,
  ]);
});

test("texts with long digits stay as they are", () => {
  const document = { sku: "4006381333931-1234567890123456", list: ['"1234567890123456.5"', "…"], none: null };
  expect(parseJson(JSON.stringify(document))).toEqual(document);
});

test("a decimal of any length keeps its digits", () => {
  const digits = fc.stringMatching(/^-?(0|[1-9]\d{0,40})\.\d{0,39}[1-9]$/);
  fc.assert(
    fc.property(digits, (text) => {
      const parsed = (parseJson(`{"price": ${text}}`) as { price: string | number }).price;
      const plain = typeof parsed === "number" && Math.abs(parsed) < 1e-6 ? parsed.toFixed(14) : String(parsed);
      expect(plain.replace(/0+$/, "")).toBe(text);
    }),
  );
});
