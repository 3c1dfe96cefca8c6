import { expect, test } from "bun:test";
import fc from "fast-check";
import { everyType } from "../../tests/harness/every-type.ts";
import { productDocument } from "../../tests/harness/product-events.ts";
import { product } from "../../tests/project/index.ts";
import { pgTable, text } from "./columns.ts";
import { defineEntity } from "./define-entity.ts";
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
  "-0",
  "01.00",
  "NaN",
  "infinity",
  "\\x00",
  "9007199254740993",
  "9223372036854775808",
  "2026-02-29",
  "2024-02-29",
  "24:00:00",
  "[0:1]={1,2}",
  "2026-02-29T00:00:00.000Z",
  "2024-02-29T00:00:00Z",
  "2024-02-29T00:00:00",
];
const value = fc.oneof(
  fc.string({ unit: "binary", maxLength: 5 }),
  fc.constantFrom(...edgeCases, null, undefined, true, Number.NaN, -0, 1.5, 2 ** 53, 2 ** 31, 1e300, {}),
  fc.integer({ min: -1, max: 4 }),
  fc.array(fc.constantFrom("a", "b", "", "abcd", 1, null, "\ud83d", ["a"]), { maxLength: 4 }),
  fc.jsonValue(),
);
const ruled = defineEntity(
  pgTable("ruled", { id: text().primaryKey(), short: text().notNull(), lines: text(), sticky: text(), odd: text() }),
  {
    name: "ruled",
    rules: {
      short: (text) => text.min(2).max(3),
      lines: (text) => text.max(3).regex(/^[a-z]+$/gm),
      sticky: (text) => text.regex(/a/y),
      odd: (text) => text.refine((given) => given.length % 2 === 1).meta({ rules: ["odd"] }),
    },
    replicas: {},
  },
);
const fields = { ...everyType.fields, ...product.fields, ...ruled.fields };

test("a value that passes the quick check of a field is valid by its schema", () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(fields)), value, (name, given) => {
      const { quickCheck, schema } = fields[name]!;
      if (quickCheck(given))
        expect([name, given, schema.safeParse(given)]).toEqual([name, given, { success: true, data: given }]);
    }),
    { numRuns: 20_000 },
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
