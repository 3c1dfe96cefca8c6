import { expect, test } from "bun:test";
import { deadLetterHeader } from "../contracts/dead-letter.ts";
import type { EntityEvent } from "../contracts/event.ts";
import { productDocument, storedEvent, upsertEvent } from "../tests/harness/product-events.ts";
import { product } from "../tests/project/index.ts";
import { decideAll } from "./decide.ts";
import { validatorOf } from "./validate.ts";

const replicaTopics = new Map(product.replicas.map(({ name }) => [name, `products.to.${name}`]));

test("P6: an event whose filter throws is rejected with all its outputs, and the next event is routed", () => {
  const replicas = product.replicas.map((replica) => ({
    ...replica,
    filter: (document: Record<string, unknown>) => {
      if (document.name === "Poison" && replica.name === "storefront") throw new TypeError("no such currency");
      return replica.filter(document);
    },
  }));
  const entity = { ...product, replicas };
  const context = { entity, replicaTopics, validate: validatorOf(entity, 12), traceparentOf: () => undefined };
  const event = (version: number, name: string): EntityEvent =>
    upsertEvent(productDocument({ id: "aaaaaaaa-0000-4000-8000-000000000000", version, name }));
  const records = [event(1, "Coffee"), event(2, "Poison"), event(3, "Tea")].map((each, i) => storedEvent(each, i, 12));
  const { decisions, changes } = decideAll(context, new Map(), records);
  expect(decisions.map(({ outcome }) => outcome)).toEqual(["routed", "invalid", "routed"]);
  expect(decisions[1]!.outputs.map(({ topic, record }) => [topic, record.headers[deadLetterHeader.reason]])).toEqual([
    ["products.dead-letter", "internal"],
  ]);
  expect(decisions[1]).toMatchObject({ rejection: { detail: "no such currency" } });
  expect([...changes]).toMatchObject([["aaaaaaaa-0000-4000-8000-000000000000", { version: 3, absent: [] }]]);
});

test("an event without a replica whose filter matches is filtered, and its version is remembered", () => {
  const entity = { ...product, replicas: product.replicas.map((replica) => ({ ...replica, filter: () => false })) };
  const context = { entity, replicaTopics, validate: validatorOf(entity, 12), traceparentOf: () => undefined };
  const event = upsertEvent(productDocument({ version: 4 }));
  const { decisions, changes } = decideAll(context, new Map([[event.id, 3]]), [storedEvent(event, 7, 12)]);
  expect(decisions).toMatchObject([{ outcome: "filtered", offset: 7 }]);
  expect(changes.get(event.id)).toMatchObject({ version: 4, absent: ["catalog", "storefront"] });
});
