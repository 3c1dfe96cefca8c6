/** P4: a late event at each hop does not bring a deleted product back, in a table or in a cache. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { produceRaw } from "../../chaos/faults/events/raw-producer.ts";
import { encodeEvent } from "../../contracts/event.ts";
import { encodeRouted, routedHeaders } from "../../contracts/routed-event.ts";
import { eventsTopic, replicaTopic } from "../../contracts/topics.ts";
import { metric, request, untilGone, untilVisible } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { newProduct } from "../harness/load.ts";
import { upsertEvent } from "../harness/product-events.ts";
import { Stack } from "../harness/stack.ts";
import { product } from "../project/index.ts";

// A separate stack, because these tests write records to topics that other tests read in full.
let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start();
}, 120_000);
afterAll(() => stack[Symbol.asyncDispose](), 60_000);

/** Creates a product, waits until all replicas have version 2, and deletes it. @returns its id and last document. */
async function deletedProduct() {
  const [gateway, catalog, storefront] = await Promise.all(
    ["gateway", "catalog", "storefront"].map((name) => stack.url(name)),
  );
  const created = await request("POST", `${gateway}/products`, newProduct({ status: "active" }));
  const id = created.body.id as string;
  const changed = await request("PATCH", `${gateway}/products/${id}`, { stock: 9 });
  for (const url of [catalog!, storefront!]) await untilVisible(url, id, 2);
  await request("DELETE", `${gateway}/products/${id}`);
  for (const url of [catalog!, storefront!]) await untilGone(url, id);
  return { id, document: changed.body, replicas: [catalog!, storefront!] };
}

/**
 * Reads the product several times by id and in the list, because a wrong cache entry would show in a later read only.
 */
async function expectAbsent(replicas: readonly string[], id: string): Promise<void> {
  for (let i = 0; i < 20; i++)
    for (const url of replicas) expect((await request("GET", `${url}/products/${id}`)).status).toBe(404);
  for (const url of replicas) {
    const { body } = await request("GET", `${url}/products?limit=100`);
    expect((body.items as { id: string }[]).filter((item) => item.id === id)).toEqual([]);
  }
}

test("P4: a late event of a deleted product is dropped by the stream as stale", async () => {
  const { id, document, replicas } = await deletedProduct();
  const stream = await stack.url("stream");
  const stale = () => metric(stream, "lockstep_stream_events_total", { outcome: "stale" });
  const before = await stale();
  await produceRaw(await stack.brokers(), eventsTopic(product).name, [encodeEvent(upsertEvent(document))]);
  await eventually(async () => (await stale()) === before + 1, { timeoutMs: 10_000, what: "one stale event" });
  await expectAbsent(replicas, id);
});

test("P4: a late record in a replica's own topic is not applied, in its table or in its cache", async () => {
  const { id, document, replicas } = await deletedProduct();
  const [catalogUrl] = replicas;
  const stale = () => metric(catalogUrl!, "lockstep_replica_events_total", { outcome: "stale" });
  const before = await stale();
  const topic = replicaTopic(product, "catalog").name;
  const { cost: _, ...projected } = document;
  const event = upsertEvent(document);
  await produceRaw(await stack.brokers(), topic, [encodeRouted(event, projected, routedHeaders(event, 0, undefined))]);
  await eventually(async () => (await stale()) === before + 1, { timeoutMs: 10_000, what: "one stale record" });
  await expectAbsent(replicas, id);
});
