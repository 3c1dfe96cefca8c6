/** The forms of values: what is valid, and what a column's value becomes. documents.int.test.ts checks PostgreSQL's own. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { everyType } from "../../tests/harness/every-type.ts";
import { product } from "../../tests/project/index.ts";
import { numeric, pgTable, text } from "./columns.ts";
import { defineEntity } from "./define-entity.ts";
import { parseExact } from "./exact-json.ts";
import type { Field } from "./field.ts";
import { formatType, parseType } from "./type-name.ts";

const { fields } = everyType;

/** Checks both the schema and the quick check. */
function accepts(field: Field, value: unknown): boolean {
  const valid = field.schema.safeParse(value).success;
  if (field.quickCheck(value)) expect(valid).toBe(true);
  return valid;
}

const messages = (field: Field, value: unknown) =>
  field.schema.safeParse(value).error?.issues.map(({ message }) => message);

test.each<[string, readonly unknown[], readonly unknown[]]>([
  ["small", [-32768, 32767, 0], [-32769, 32768, 1.5, "1"]],
  ["int", [-2147483648, 2147483647], [2147483648, Number.NaN]],
  ["safe", [Number.MAX_SAFE_INTEGER], [2 ** 53, "9007199254740993"]],
  [
    "big",
    [0, -1, Number.MAX_SAFE_INTEGER, "9007199254740992", "-9223372036854775808", "9223372036854775807"],
    [2 ** 53, "1", "9007199254740991", "9223372036854775808", "09007199254740993", "-0"],
  ],
  ["exact", ["0", "-1.50", "NaN", "Infinity", "-Infinity"], ["-0", "-0.00", "01", "1.", ".5", "1e5", 1]],
  ["money2", ["0.00", "-19.90", "9999999999.99", "NaN"], ["19.9", "10000000000.00", "-0.00", "Infinity"]],
  ["hundreds", ["0", "12300", "-99900"], ["1.0", "1234567"]],
  ["double", [1.5, -0, "-0", "NaN", "Infinity", 1e308], [Number.NaN, Number.POSITIVE_INFINITY, "1.5"]],
  ["single", [3.4028235e38], [3.5e38]],
  ["flag", [true, false], ["true", 0]],
  ["text", ["", "\u{1f600}"], ["a\u0000", "\ud800", 1]],
  ["name", ["a".repeat(20), "\u{1f600}".repeat(20)], ["a".repeat(21), "\u{1f600}".repeat(21)]],
  ["mood", ["sad"], ["SAD", ""]],
  ["uuid", ["00000000-0000-0000-0000-000000000000"], ["0", ""]],
  [
    "day",
    ["2024-02-29", "infinity", "-infinity", "0001-02-29 BC", "5874897-12-31"],
    ["2026-02-29", "0000-01-01", "2026-13-01", "2026-1-1"],
  ],
  ["time", ["00:00", "24:00:00", "23:59:59.999999", "23:59:60"], ["24:00:01", "23:60:00", "1:00:00"]],
  ["timetz", ["03:04:05+00", "24:00:00-15:59"], ["03:04:05", "x"].slice(2)],
  [
    "local",
    ["2026-01-02T03:04:05", "2026-01-02 03:04:05.678901", "infinity"],
    ["2026-01-02T03:04:05Z", "2026-02-30T00:00:00"],
  ],
  [
    "instant",
    ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678901+05:30", "0044-03-15T00:00:00Z BC"],
    ["2026-01-02T03:04:05", "2026-01-02"],
  ],
  ["bytes", ["\\x", "\\x00ff"], []],
  ["texts", [[], ["a", null], [["a"], ["b"]], "[0:1]={a,b}"], [[1], "{a}", ["a\u0000"]]],
  ["ints", [[[1]], [1, null], [[[1]]]], [["1"], [[1.5]]]],
  ["jsonbs", [[{ a: 1 }], "{null}"], [[() => 1]]],
])("%s", (member, valid, invalid) => {
  for (const value of [...valid, null]) expect([value, accepts(fields[member]!, value)]).toEqual([value, true]);
  for (const value of invalid) expect([value, accepts(fields[member]!, value)]).toEqual([value, false]);
});

test.each<[string, readonly (readonly [column: unknown, member: unknown])[]]>([
  [
    "small",
    [
      [5, 5],
      ["5", 5],
    ],
  ],
  [
    "big",
    [
      [5, 5],
      ["9007199254740993", "9007199254740993"],
      [parseExact("9007199254740992"), "9007199254740992"],
    ],
  ],
  [
    "double",
    [
      ["1.5", 1.5],
      ["-0", "-0"],
      [-0, "-0"],
      ["NaN", "NaN"],
      ["1e+20", 1e20],
    ],
  ],
  [
    "flag",
    [
      [true, true],
      ["t", true],
      ["false", false],
    ],
  ],
  [
    "padded",
    [
      ["ab   ", "ab"],
      [" ab", " ab"],
    ],
  ],
  [
    "local",
    [
      ["2026-01-02T03:04:05.6", "2026-01-02T03:04:05.6"],
      ["2026-01-02 03:04:05", "2026-01-02T03:04:05"],
      ["0044-03-15 00:00:00 BC", "0044-03-15T00:00:00 BC"],
    ],
  ],
  [
    "instant",
    [
      ["2026-01-02T03:04:05.678901+00:00", "2026-01-02T03:04:05.678901Z"],
      ["2026-01-02 03:04:05+00", "2026-01-02T03:04:05Z"],
      ["2026-01-02T03:04:05.1+05:30", "2026-01-01T21:34:05.1Z"],
      ["0044-03-15T00:00:00+00:00 BC", "0044-03-15T00:00:00Z BC"],
      ["0001-01-01T00:00:00+05:30", "0001-12-31T18:30:00Z BC"],
      ["-infinity", "-infinity"],
    ],
  ],
  [
    "milliseconds",
    [
      ["2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05.000Z"],
      ["2026-01-02T03:04:05.6+00:00", "2026-01-02T03:04:05.600Z"],
      ["2026-01-02T03:04:05.678901+00:00", "2026-01-02T03:04:05.678Z"],
      ["12026-01-02T03:04:05.678+00:00", "12026-01-02T03:04:05.678Z"],
    ],
  ],
  [
    "texts",
    [
      ['{a,NULL,"NULL","a b","\\"\\\\"}', ["a", null, "NULL", "a b", '"\\']],
      ["{}", []],
      ["[0:0]={a}", "[0:0]={a}"],
    ],
  ],
  ["singles", [["{1.5,-0,NaN,NULL}", [1.5, "-0", "NaN", null]]]],
  [
    "ints",
    [
      [
        "{{1,2},{3,4}}",
        [
          [1, 2],
          [3, 4],
        ],
      ],
    ],
  ],
  [
    "jsonbs",
    [
      ['{"{\\"a\\": 1}",NULL}', [{ a: 1 }, null]],
      ["{null}", "{null}"],
      ['{"[1]"}', '{"[1]"}'],
    ],
  ],
  [
    "range",
    [
      ["[1,5)", "[1,5)"],
      [5, "5"],
      [[1, null], '{"1",NULL}'],
    ],
  ],
  [
    "json",
    [
      ['{ "a": 1.50 }', '{ "a": 1.50 }'],
      [{ a: 1 }, '{"a":1}'],
    ],
  ],
])("a column's value of %s", (member, cases) => {
  const { fromColumn } = fields[member]!;
  for (const [column, expected] of [...cases, [null, null]] as const) {
    expect(fromColumn(column)).toEqual(expected);
    expect(fromColumn(fromColumn(column))).toEqual(expected);
  }
});

describe("a decimal", () => {
  const table = pgTable("decimals", {
    id: text().primaryKey(),
    price: numeric({ precision: 12, scale: 2 }).notNull(),
    balance: numeric({ precision: 12, scale: 2 }).notNull(),
    whole: numeric({ precision: 40, scale: 0 }).notNull(),
    longest: numeric({ precision: 1000, scale: 500 }).notNull(),
  });
  const { price, balance, whole } = defineEntity(table, {
    name: "decimal",
    rules: { price: (price) => price.nonNegative(), balance: (balance) => balance.finite() },
    replicas: {},
  }).fields as Record<string, Field>;

  test("is not negative, or not NaN, where a rule says so, and the error shows the form", () => {
    for (const valid of ["0.00", "19.90", "9999999999.99"]) expect(accepts(price!, valid)).toBe(true);
    for (const invalid of ["19.9", "19", "019.90", "-1.00", "1.999", " 1.00", 19.9, null, "1e2", "NaN"])
      expect(accepts(price!, invalid)).toBe(false);
    expect(messages(price!, "NaN")).toEqual(['must be a string like "19.90"; NaN and infinity are not valid']);
    expect(messages(price!, 19.9)).toEqual(["Invalid input: expected string, received number"]);
    expect([accepts(balance!, "-19.90"), accepts(balance!, "NaN"), accepts(balance!, "-0.00")]).toEqual([
      true,
      false,
      false,
    ]);
    expect([accepts(whole!, "12"), accepts(whole!, "12."), accepts(whole!, "-0")]).toEqual([true, false, false]);
  });

  test("of a row has every digit of the column", () => {
    const digits = fc.tuple(fc.stringMatching(/^-?(0|[1-9]\d{0,40})$/), fc.stringMatching(/^\d{0,40}$/));
    fc.assert(
      fc.property(digits, ([whole, fraction]) => {
        fc.pre(whole !== "-0" || /[1-9]/.test(fraction)); // PostgreSQL has no negative zero
        const stored = fraction === "" ? whole : `${whole}.${fraction}`;
        const { price: value } = parseExact(`{"price": ${stored}}`) as { price: unknown };
        expect(fields.exact!.fromColumn(value)).toBe(stored);
        const significant = fraction.replace(/0+$/, "").padEnd(2, "0");
        expect(price!.fromColumn(value)).toBe(`${whole}.${significant}`);
      }),
      { numRuns: 2_000 },
    );
  });

  test("keeps decimals beyond its scale, so that the value is invalid instead of rounded", () => {
    expect(price!.fromColumn(1.555)).toBe("1.555");
    expect(accepts(price!, "1.555")).toBe(false);
  });
});

test("a rule of a list is checked for each item, and for the list", () => {
  const { tags, sku } = product.fields as Record<string, Field>;
  expect(messages(tags!, ["a", "b", "a"])).toEqual(["must not contain a value twice"]);
  expect(messages(tags!, ["a\u0000"])).toEqual(["must not contain U+0000 or a lone surrogate"]);
  expect(messages(tags!, ["a", "b", "\u{1f600}"])).toBeUndefined();
  expect(accepts(tags!, [null])).toBe(false);
  expect(messages(sku!, "\ud800")).toEqual(["must not contain U+0000 or a lone surrogate"]);
});

test("names of types are those of PostgreSQL's format_type", () => {
  for (const [given, name] of Object.entries({
    "varchar (20)": "character varying(20)",
    char: "character(1)",
    "int4[3]": "integer[]",
    "timestamp (3) with time zone": "timestamp(3) with time zone",
    timestamptz: "timestamp with time zone",
    "numeric(12, 2)[][]": "numeric(12,2)[]",
    "bit varying(5)": "bit varying(5)",
    'sales."My Type"[]': 'sales."My Type"[]',
  }))
    expect(formatType(parseType(given))).toBe(name);
});
