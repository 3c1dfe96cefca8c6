import { expect, test } from "bun:test";
import fc from "fast-check";
import { deleteEvent, productDocument, upsertEvent } from "../tests/harness/product-events.ts";
import { product } from "../tests/project/index.ts";
import { route } from "./route.ts";

const deliveryTo = (name: string, deliveries: ReturnType<typeof route>) => deliveries.find((d) => d.replica === name);

test("the catalog gets every field except the private one", () => {
  const document = productDocument();
  const { cost: _, ...publicFields } = document;
  expect(deliveryTo("catalog", route(product, upsertEvent(document)))?.document).toEqual(publicFields);
});

test("the storefront gets active products with inStock instead of stock", () => {
  const delivered = deliveryTo("storefront", route(product, upsertEvent(productDocument({ stock: 0 }))))?.document;
  expect(delivered).toMatchObject({ inStock: false });
  expect(Object.keys(delivered!)).not.toContain("stock");
  expect(Object.keys(delivered!)).not.toContain("cost");
});

test("P5: a replica whose filter does not match gets a null document", () => {
  const deliveries = route(product, upsertEvent(productDocument({ status: "draft" })));
  expect(deliveryTo("storefront", deliveries)).toEqual({ replica: "storefront", document: null });
  expect(deliveryTo("catalog", deliveries)?.document).toBeTruthy();
});

test("a delete goes to every replica", () => {
  expect(route(product, deleteEvent(Bun.randomUUIDv7(), 2))).toEqual([
    { replica: "catalog", document: null },
    { replica: "storefront", document: null },
  ]);
});

test("routing depends on the event alone: a replica has what its filter says about the newest event", () => {
  const status = fc.constantFrom("draft", "active", "archived", "deleted");
  fc.assert(
    fc.property(status, (last) => {
      const id = Bun.randomUUIDv7();
      const event =
        last === "deleted" ? deleteEvent(id, 2) : upsertEvent(productDocument({ id, status: last, version: 2 }));
      const present = new Set(route(product, event).flatMap(({ replica, document }) => (document ? [replica] : [])));
      return present.has("catalog") === (last !== "deleted") && present.has("storefront") === (last === "active");
    }),
  );
});
