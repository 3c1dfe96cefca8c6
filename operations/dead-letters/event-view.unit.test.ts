import { expect, test } from "bun:test";
import { encodeEvent } from "../../contracts/event.ts";
import { productDocument, upsertEvent } from "../../tests/harness/product-events.ts";
import { product } from "../../tests/project/index.ts";
import { viewEvent } from "./event-view.ts";

const view = (overrides: Record<string, unknown>, reveal = false) => {
  const { value, headers } = encodeEvent(upsertEvent(productDocument(overrides)));
  const bytes = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]));
  return viewEvent(product, undefined, { value: Buffer.from(value!), headers: bytes }, reveal);
};

test("each field has its value, its declared type and its problem", () => {
  const { fields } = view({ stock: "many", colour: "red" });
  const problems = fields.filter(({ problem }) => problem).map(({ field }) => field);
  expect(problems.toSorted()).toEqual(["colour", "stock"]);
  expect(fields.find(({ field }) => field === "stock")).toMatchObject({ value: '"many"' });
  expect(fields.find(({ field }) => field === "stock")?.expected).toContain("integer");
  expect(fields.find(({ field }) => field === "colour")?.expected).toBeNull();
});

test("private values and undeclared values are shown only when revealed", () => {
  const secret = { cost: "1234567.89", formerCost: "7654321.98" };
  expect(JSON.stringify(view(secret))).not.toMatch(/1234567|7654321/);
  expect(JSON.stringify(view(secret, true))).toMatch(/1234567.*7654321/);
});

test("a declared field that the event does not have is shown with a problem", () => {
  const document = productDocument();
  const value = Buffer.from(JSON.stringify({ id: document.id }));
  const { fields } = viewEvent(product, "catalog", { value, headers: {} }, false);
  expect(fields.find(({ field }) => field === "sku")).toMatchObject({ value: null });
  expect(fields.find(({ field }) => field === "sku")?.problem).not.toBeNull();
  expect(fields.map(({ field }) => field)).not.toContain("cost");
});

test("a value that is not a document is reported as unreadable", () => {
  const of = (value: Buffer | null) => viewEvent(product, undefined, { value, headers: {} }, false).unreadable;
  expect([of(null), of(Buffer.from("[]")), of(Buffer.from([0xff]))].map((why) => why !== null)).toEqual([
    true,
    true,
    true,
  ]);
});
