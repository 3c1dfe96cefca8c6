import { expect, test } from "bun:test";
import { produceRaw } from "../../chaos/faults/events/raw-producer.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { encodeEvent } from "../../contracts/event.ts";
import { eventsTopic, replicaTopic } from "../../contracts/topics.ts";
import { connectLog } from "../../kafka/connect-log.ts";
import { createLogger } from "../../observability/logger.ts";
import { metric, request, untilGone, untilVisible } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { newProduct } from "../harness/load.ts";
import { deleteEvent, upsertEvent } from "../harness/product-events.ts";
import { sharedStack } from "../harness/shared-stack.ts";
import { readTopic } from "../harness/stack-checker.ts";
import { product } from "../project/index.ts";

test("P2 P4: duplicate, reordered and stale events have no effect in any replica, and are counted", async () => {
  const stack = await sharedStack();
  const [gateway, catalog, storefront, stream] = await Promise.all(
    ["gateway", "catalog", "storefront", "stream"].map((name) => stack.url(name)),
  );
  const brokers = await stack.brokers();
  const topic = eventsTopic(product).name;

  // One product exists at version 3, the other one was deleted at version 3.
  const states: Document[][] = [];
  for (const name of ["existing", "deleted"]) {
    const created = await request("POST", `${gateway}/products`, newProduct({ name, status: "active" }));
    const id = created.body.id as string;
    const second = await request("PATCH", `${gateway}/products/${id}`, { stock: 5 });
    states.push([created.body, second.body]);
  }
  const [existingId, deletedId] = states.map(([first]) => first!.id as string) as [string, string];
  const third = await request("PATCH", `${gateway}/products/${existingId}`, { stock: 7 });
  await request("DELETE", `${gateway}/products/${deletedId}`);
  for (const url of [catalog!, storefront!]) {
    await untilVisible(url, existingId, 3);
    await untilGone(url, deletedId);
  }

  const outcome = (name: string) => metric(stream!, "lockstep_stream_events_total", { outcome: name });
  const before = { duplicate: await outcome("duplicate"), stale: await outcome("stale") };
  const newest = [encodeEvent(upsertEvent(third.body)), encodeEvent(deleteEvent(deletedId, 3))];
  const older = states.flat().map((document) => encodeEvent(upsertEvent(document)));
  // The newest, the older ones backwards and forwards, and the newest again: 4 duplicates and 8 stale events.
  await produceRaw(brokers, topic, [...newest, ...[...older].reverse(), ...older, ...newest]);
  await eventually(async () => (await outcome("duplicate")) === before.duplicate + 4, {
    timeoutMs: 10_000,
    what: "4 duplicates",
  });
  await eventually(async () => (await outcome("stale")) === before.stale + 8, { timeoutMs: 10_000, what: "8 stale" });

  for (const url of [catalog!, storefront!]) {
    expect((await request("GET", `${url}/products/${existingId}`)).body.version).toBe(3);
    expect((await request("GET", `${url}/products/${deletedId}`)).status).toBe(404);
  }
  const log = await connectLog({ brokers, clientId: "test", logger: createLogger("test", "1", "silent") });
  try {
    for (const replica of product.replicas) {
      const report = await readTopic(log, replicaTopic(product, replica.name).name);
      expect(report.duplicates).toEqual([]);
      expect(report.outOfOrder).toEqual([]);
      expect(report.newest.get(existingId)).toEqual({ version: 3, tombstone: false });
      expect(report.newest.get(deletedId)).toEqual({ version: 3, tombstone: true });
    }
  } finally {
    await log.close();
  }
});
