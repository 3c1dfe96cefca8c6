import { expect, test } from "bun:test";
import fc from "fast-check";
import { category } from "../../examples/shop/category.ts";
import { customer } from "../../examples/shop/customer.ts";
import { product } from "../../tests/project/index.ts";
import type { EntityDeclaration } from "./declaration.ts";
import { quickInput, quickPatch, quickReplace } from "./quick-input.ts";
import { inputSchema, patchSchema, replaceSchema } from "./schemas.ts";

const bodies: Readonly<Record<string, Record<string, unknown>>> = {
  product: {
    ...{ sku: "cup-1", name: "Cup", description: "a ü", price: "19.90", currency: "EUR", cost: "1.00", stock: 3 },
    ...{ status: "active", tags: ["a", "b"] },
  },
  category: { slug: "kitchen", name: "Kitchen", parent: null, position: 3 },
  customer: {
    ...{ email: "a@b.c", name: "Ann", phone: null, birthday: "2001-02-03", balance: "0.10" },
    ...{ preferences: { language: "pt" }, notes: "x" },
  },
};
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.string({ unit: "binary" }),
  fc.constantFrom(null, "", -1, 1e300),
);

for (const entity of [product, category, customer] as EntityDeclaration[])
  for (const [name, read, schema] of [
    ["create", quickInput(entity), inputSchema(entity)],
    ["replace", quickReplace(entity), replaceSchema(entity)],
    ["patch", quickPatch(entity), patchSchema(entity)],
  ] as const) {
    const body = Object.fromEntries(
      Object.entries(bodies[entity.name]!).filter(([member]) => name === "create" || !entity.key.includes(member)),
    );

    test(`${name} ${entity.name}: a valid body is read without the schema`, () => {
      expect(schema.safeParse(body).error).toBeUndefined();
      expect(read(body)).toBeDefined();
    });

    test(`${name} ${entity.name}: what is read is what the schema returns, in its order`, () => {
      const members = fc.constantFrom(...Object.keys(body), ...Object.keys(entity.fields), "more", "__proto__");
      fc.assert(
        fc.property(
          fc.dictionary(members, value, { maxKeys: 2 }),
          fc.array(fc.constantFrom(...Object.keys(body)), { maxLength: 4 }),
          fc.boolean(),
          (change, without, reverse) => {
            const given = Object.entries({ ...body, ...change }).filter(([member]) => !without.includes(member));
            const text = JSON.stringify(Object.fromEntries(reverse ? given.reverse() : given));
            const quick = read(JSON.parse(text));
            if (quick) expect(JSON.stringify(quick)).toBe(JSON.stringify(schema.parse(JSON.parse(text))));
          },
        ),
        { numRuns: 2_000 },
      );
    });
  }

test("a body that is no object is left to the schema", () => {
  for (const body of [null, [], "a", 1, true]) expect(quickInput(product)(body)).toBeUndefined();
});

test("an initial value is not shared between two requests", () => {
  const read = quickInput(product);
  const [first, second] = [read({ sku: "a", name: "b", price: "1.00" }), read({ sku: "a", name: "b", price: "1.00" })];
  (first!.tags as string[]).push("changed");
  expect(second!.tags).toEqual([]);
});
