import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseJson } from "../../platform/postgres/parse-json.ts";
import { decimal, text, texts } from "./fields.ts";

const accepts = (field: ReturnType<typeof decimal>, value: unknown) => {
  const valid = field.schema.safeParse(value).success;
  if (field.quickCheck(value)) expect(valid).toBe(true);
  return valid;
};

describe("a decimal", () => {
  test("has exactly its decimals, and by default ten digits before them", () => {
    const price = decimal({ scale: 2 });
    for (const valid of ["0.00", "19.90", "9999999999.99"]) expect(accepts(price, valid)).toBe(true);
    for (const invalid of ["19.9", "19", "019.90", "-1.00", "10000000000.00", "1.999", " 1.00", 19.9, null, "1e2"])
      expect(accepts(price, invalid)).toBe(false);
  });

  test("has any scale and precision of PostgreSQL's numeric", () => {
    expect(accepts(decimal({ scale: 0 }), "12")).toBe(true);
    expect(accepts(decimal({ scale: 0 }), "12.")).toBe(false);
    expect(accepts(decimal({ scale: 3, precision: 3 }), "0.125")).toBe(true);
    expect(accepts(decimal({ scale: 3, precision: 3 }), "1.125")).toBe(false);
    const longest = decimal({ scale: 16_383, precision: 147_455 });
    expect(accepts(longest, `${"9".repeat(131_072)}.${"1".repeat(16_383)}`)).toBe(true);
    for (const options of [{ scale: -1 }, { scale: 1.5 }, { scale: 16_384 }, { scale: 4, precision: 3 }])
      expect(() => decimal(options)).toThrow("decimal: scale");
  });

  test("is negative only where that is declared, and never a negative zero", () => {
    const balance = decimal({ scale: 2, negative: true });
    for (const valid of ["-0.01", "-19.90", "19.90", "0.00"]) expect(accepts(balance, valid)).toBe(true);
    for (const invalid of ["-0.00", "--1.00", "-01.00"]) expect(accepts(balance, invalid)).toBe(false);
    expect(accepts(decimal({ scale: 0, negative: true }), "-0")).toBe(false);
  });

  test("is not NaN or infinity, and the error says so", () => {
    for (const value of ["NaN", "Infinity", "-Infinity"]) {
      const column = decimal({ scale: 2 }).fromColumn(value);
      expect(decimal({ scale: 2 }).schema.safeParse(column).error!.issues[0]!.message).toBe(
        'must be a string like "19.90"; NaN and infinity are not valid',
      );
    }
  });

  test("of a row has every digit of the column", () => {
    const digits = fc.tuple(fc.stringMatching(/^-?(0|[1-9]\d{0,40})$/), fc.stringMatching(/^\d{0,40}$/), fc.nat(40));
    fc.assert(
      fc.property(digits, ([whole, fraction, scale]) => {
        fc.pre(whole !== "-0" || /[1-9]/.test(fraction)); // PostgreSQL has no negative zero
        const stored = fraction === "" ? whole : `${whole}.${fraction}`;
        const significant = fraction.replace(/0+$/, "").padEnd(scale, "0");
        const { price } = parseJson(`{"price": ${stored}}`) as { price: unknown };
        expect(decimal({ scale, negative: true }).fromColumn(price)).toBe(
          significant === "" ? whole : `${whole}.${significant}`,
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test("keeps decimals beyond its scale, so that the value is invalid instead of rounded", () => {
    const price = decimal({ scale: 2 });
    expect(price.fromColumn(1.555)).toBe("1.555");
    expect(accepts(price, price.fromColumn(1.555))).toBe(false);
  });
});

test("a text that PostgreSQL cannot store, and a list with a value twice, are invalid with the rule", () => {
  const messages = (field: { schema: ReturnType<typeof text>["schema"] }, value: unknown) =>
    field.schema.safeParse(value).error?.issues.map(({ message }) => message);
  const list = texts({ maxItems: 3, maxLength: 9 });
  for (const value of ["a\u0000", "\ud800", "\udc00a"]) {
    expect(messages(text({ max: 9 }), value)).toEqual(["must not contain U+0000 or a lone surrogate"]);
    expect(messages(list, [value])).toEqual(["must not contain U+0000 or a lone surrogate"]);
    expect([text({ max: 9 }).quickCheck(value), list.quickCheck([value])]).toEqual([false, false]);
  }
  expect(messages(list, ["a", "b", "a"])).toEqual(["must not contain a value twice"]);
  expect(messages(list, ["a", "b", "\u{1f600}"])).toBeUndefined();
});
