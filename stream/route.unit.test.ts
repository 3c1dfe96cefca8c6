import { expect, test } from "bun:test";
import fc from "fast-check";
import { product } from "../contracts/entities/product.ts";
import { deleted, productDocument, upserted } from "../tests/harness/events.ts";
import { route } from "./route.ts";

const replicaOf = (routing: ReturnType<typeof route>, name: string) =>
  routing.deliveries.find((d) => d.replica === name);

test("the catalog gets every field but the private one", () => {
  const document = productDocument();
  const { cost: _, ...open } = document;
  expect(replicaOf(route(product, upserted(document), []), "catalog")?.document).toEqual(open);
});

test("the storefront gets active products only, with inStock instead of stock", () => {
  const delivered = replicaOf(route(product, upserted(productDocument({ stock: 0 })), []), "storefront")?.document;
  expect(delivered).toMatchObject({ inStock: false });
  expect(Object.keys(delivered!)).not.toContain("stock");
  expect(Object.keys(delivered!)).not.toContain("cost");
  expect(replicaOf(route(product, upserted(productDocument({ status: "draft" })), []), "storefront")).toBeUndefined();
});

test("P5: a product that stops matching is removed where it was, and only there", () => {
  const draft = upserted(productDocument({ status: "draft" }));
  expect(replicaOf(route(product, draft, ["catalog", "storefront"]), "storefront")).toEqual({
    replica: "storefront",
    document: null,
  });
  expect(replicaOf(route(product, draft, ["catalog"]), "storefront")).toBeUndefined();
});

test("a delete removes the product from every replica that holds it", () => {
  const routing = route(product, deleted(Bun.randomUUIDv7(), 2), ["catalog", "storefront"]);
  expect(routing).toEqual({
    deliveries: [
      { replica: "catalog", document: null },
      { replica: "storefront", document: null },
    ],
    held: [],
  });
});

test("over any history a replica holds the entity exactly when the newest event matches its filter", () => {
  const step = fc.constantFrom("draft", "active", "archived", "deleted");
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (steps) => {
      const id = Bun.randomUUIDv7();
      let held: readonly string[] = [];
      const present = new Set<string>();
      steps.forEach((status, i) => {
        const event =
          status === "deleted" ? deleted(id, i + 1) : upserted(productDocument({ id, status, version: i + 1 }));
        const routing = route(product, event, held);
        held = routing.held;
        for (const { replica, document } of routing.deliveries)
          document ? present.add(replica) : present.delete(replica);
      });
      const last = steps.at(-1);
      return present.has("catalog") === (last !== "deleted") && present.has("storefront") === (last === "active");
    }),
  );
});
