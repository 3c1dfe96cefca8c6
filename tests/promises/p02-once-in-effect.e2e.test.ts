import { expect, test } from "bun:test";
import { product } from "../../contracts/entities/product.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { encodeEvent } from "../../contracts/event.ts";
import { eventsTopic, replicaTopic } from "../../contracts/topics.ts";
import { connectLog } from "../../kafka/connect-log.ts";
import { createLogger } from "../../observability/logger.ts";
import { metric, request, untilGone, untilVisible } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { newProduct } from "../harness/load.ts";
import { deleteEvent, upsertEvent } from "../harness/product-events.ts";
import { produceRaw } from "../harness/raw-producer.ts";
import { sharedStack } from "../harness/shared-stack.ts";
import { readTopic } from "../harness/stack-checker.ts";

test("P2 P4: events that come twice, out of order, or from before the newest have no effect anywhere, and are counted", async () => {
  const stack = await sharedStack();
  const [gateway, catalog, storefront, stream] = await Promise.all(
    ["gateway", "catalog", "storefront", "stream"].map((name) => stack.url(name)),
  );
  const brokers = await stack.brokers();
  const topic = eventsTopic(product).name;

  // One product that lives at version 3, one that was deleted at version 3.
  const states: Document[][] = [];
  for (const name of ["stays", "goes"]) {
    const created = await request("POST", `${gateway}/products`, newProduct({ name, status: "active" }));
    const id = created.body.id as string;
    const second = await request("PATCH", `${gateway}/products/${id}`, { stock: 5 });
    states.push([created.body, second.body]);
  }
  const [stays, goes] = states.map(([first]) => first!.id as string) as [string, string];
  const third = await request("PATCH", `${gateway}/products/${stays}`, { stock: 7 });
  await request("DELETE", `${gateway}/products/${goes}`);
  for (const url of [catalog!, storefront!]) {
    await untilVisible(url, stays, 3);
    await untilGone(url, goes);
  }

  const outcome = (name: string) => metric(stream!, "lockstep_stream_events_total", { outcome: name });
  const before = { duplicate: await outcome("duplicate"), stale: await outcome("stale") };
  const newest = [encodeEvent(upsertEvent(third.body)), encodeEvent(deleteEvent(goes, 3))];
  const older = states.flat().map((document) => encodeEvent(upsertEvent(document)));
  // Backwards, then forwards, then the newest again: 2 duplicates twice, 4 stale twice.
  await produceRaw(brokers, topic, [...newest, ...[...older].reverse(), ...older, ...newest]);
  await eventually(async () => (await outcome("duplicate")) === before.duplicate + 4, {
    timeoutMs: 10_000,
    what: "4 duplicates",
  });
  await eventually(async () => (await outcome("stale")) === before.stale + 8, { timeoutMs: 10_000, what: "8 stale" });

  for (const url of [catalog!, storefront!]) {
    expect((await request("GET", `${url}/products/${stays}`)).body.version).toBe(3);
    expect((await request("GET", `${url}/products/${goes}`)).status).toBe(404);
  }
  const log = await connectLog({ brokers, clientId: "test", logger: createLogger("test", "1", "silent") });
  try {
    for (const replica of product.replicas) {
      const report = await readTopic(log, replicaTopic(product, replica.name).name);
      expect(report.duplicates).toEqual([]);
      expect(report.outOfOrder).toEqual([]);
      expect(report.newest.get(stays)).toEqual({ version: 3, tombstone: false });
      expect(report.newest.get(goes)).toEqual({ version: 3, tombstone: true });
    }
  } finally {
    await log.close();
  }
});
