import { expect, test } from "bun:test";
import fc from "fast-check";
import { product } from "../contracts/entities/product.ts";
import { deleted, productDocument, upserted } from "../tests/harness/events.ts";
import { route } from "./route.ts";

const replicaOf = (deliveries: ReturnType<typeof route>, name: string) => deliveries.find((d) => d.replica === name);

test("the catalog gets every field but the private one", () => {
  const document = productDocument();
  const { cost: _, ...open } = document;
  expect(replicaOf(route(product, upserted(document)), "catalog")?.document).toEqual(open);
});

test("the storefront gets active products only, with inStock instead of stock", () => {
  const delivered = replicaOf(route(product, upserted(productDocument({ stock: 0 }))), "storefront")?.document;
  expect(delivered).toMatchObject({ inStock: false });
  expect(Object.keys(delivered!)).not.toContain("stock");
  expect(Object.keys(delivered!)).not.toContain("cost");
});

test("P5: a replica whose filter does not match is told to have none, whether it had one or not", () => {
  const draft = upserted(productDocument({ status: "draft" }));
  expect(replicaOf(route(product, draft), "storefront")).toEqual({ replica: "storefront", document: null });
  expect(replicaOf(route(product, draft), "catalog")?.document).toBeTruthy();
});

test("a delete is told to every replica", () => {
  expect(route(product, deleted(Bun.randomUUIDv7(), 2))).toEqual([
    { replica: "catalog", document: null },
    { replica: "storefront", document: null },
  ]);
});

test("a replica is told of an event by the event alone: what it holds is what the newest event's filter says", () => {
  const status = fc.constantFrom("draft", "active", "archived", "deleted");
  fc.assert(
    fc.property(status, (last) => {
      const id = Bun.randomUUIDv7();
      const event = last === "deleted" ? deleted(id, 2) : upserted(productDocument({ id, status: last, version: 2 }));
      const present = new Set(route(product, event).flatMap(({ replica, document }) => (document ? [replica] : [])));
      return present.has("catalog") === (last !== "deleted") && present.has("storefront") === (last === "active");
    }),
  );
});
