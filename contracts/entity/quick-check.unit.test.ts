import { expect, test } from "bun:test";
import fc from "fast-check";
import { productDocument } from "../../tests/harness/product-events.ts";
import { product } from "../../tests/project/index.ts";
import { boolean, type Field, integer, oneOf, systemFields, text, texts } from "./fields.ts";
import { documentSchema, quickDocumentCheck } from "./schemas.ts";

const edgeCases = [
  "",
  " ",
  "ab",
  "ABC",
  "a\u0000",
  "\ud83d",
  "\ud83d\ude00",
  "0.00",
  "01.00",
  "2026-02-29T00:00:00.000Z",
  "2024-02-29T00:00:00Z",
];
const value = fc.oneof(
  fc.string({ unit: "binary", maxLength: 5 }),
  fc.constantFrom(...edgeCases, null, undefined, true, Number.NaN, -0, 1.5, 2 ** 53, {}),
  fc.integer({ min: -1, max: 4 }),
  fc.array(fc.constantFrom("a", "b", "", "abcd", 1, "\ud83d"), { maxLength: 4 }),
);
const fields: Record<string, Field> = {
  ...systemFields,
  ...product.fields,
  short: text({ min: 2, max: 3 }),
  lines: text({ max: 3, pattern: /^[a-z]+$/gm }),
  few: integer({ min: 0, max: 3 }),
  truth: boolean(),
  word: oneOf(["ab", "ABC"]),
  list: texts({ maxItems: 2, maxLength: 3 }),
};

test("a value that passes the quick check of a field is valid by its schema", () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(fields)), value, (name, given) => {
      const { quickCheck, schema } = fields[name]!;
      if (quickCheck(given))
        expect([name, given, schema.safeParse(given)]).toEqual([name, given, { success: true, data: given }]);
    }),
    { numRuns: 5_000 },
  );
});

const passesQuickCheck = quickDocumentCheck(product);
const schema = documentSchema(product);
const changed = fc.dictionary(fc.constantFrom(...Object.keys(productDocument()), "more", "__proto__"), value, {
  maxKeys: 3,
});

test("a document that passes the quick check of an entity is valid by its schema", () => {
  expect(passesQuickCheck(productDocument())).toBe(true);
  fc.assert(
    fc.property(
      changed,
      fc.array(fc.constantFrom(...Object.keys(productDocument())), { maxLength: 1 }),
      (change, without) => {
        const document = { ...productDocument(), ...change };
        for (const member of without) delete document[member];
        if (passesQuickCheck(document)) expect(schema.safeParse(document).success).toBe(true);
      },
    ),
  );
});
