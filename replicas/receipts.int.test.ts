import { afterAll, beforeAll, expect, test } from "bun:test";
import { decodeReceipt, type Receipt } from "../contracts/receipt.ts";
import { receiptsTopic } from "../contracts/topics.ts";
import { connectLog } from "../kafka/connect-log.ts";
import type { Log } from "../kafka/log.ts";
import { createMetrics } from "../observability/metrics.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { brokerAddress } from "../tests/harness/parts.ts";
import { newId, silent } from "../tests/harness/replica.ts";
import { Receipts } from "./receipts.ts";

let log: Log;
beforeAll(async () => {
  log = await connectLog({ brokers: [await brokerAddress()], clientId: "test", logger: silent });
  await log.ensureTopics([receiptsTopic], { partitions: 1, replicationFactor: 1, minInSyncReplicas: 1 });
}, 60_000);
afterAll(() => log.close());

const receipt = (replica: string, version: number): Receipt => ({
  replica,
  entity: "product",
  appliedMs: 20,
  cachedMs: null,
  changes: [["0190a2b0-0000-7000-8000-000000000000", version, 10]],
});

test("receipts reach the log in order, many at a time in few writes, and what waits at the end is written too", async () => {
  const replica = newId();
  const heard: number[] = [];
  const watcher = await log.watch({
    topic: receiptsTopic.name,
    from: "end",
    onRecords(records) {
      for (const { value } of records) {
        const said = decodeReceipt(value);
        if (said?.replica === replica) heard.push(said.changes[0]![1]);
      }
    },
  });
  const receipts = new Receipts({ log, logger: silent, metrics: createMetrics("test", "1") }, `test.${replica}`);
  for (let version = 1; version <= 500; version++) receipts.add(receipt(replica, version));
  await eventually(() => heard.length === 500, { timeoutMs: 10_000, what: "all receipts" });
  receipts.add(receipt(replica, 501));
  receipts.add(receipt(replica, 502));
  await receipts.close();
  await eventually(() => heard.length === 502, { timeoutMs: 10_000, what: "the last receipts" });
  expect(heard).toEqual(Array.from({ length: 502 }, (_, i) => i + 1));
  await watcher.close();
});

test("while the log does not take them only so many wait; the others are dropped and counted, and nobody is held up", async () => {
  const metrics = createMetrics("test", "1");
  const away = { ...log, openWriter: () => Promise.reject(new Error("away")) };
  const receipts = new Receipts({ log: away, logger: silent, metrics }, "test.away");
  for (let version = 1; version <= 5_000; version++) receipts.add(receipt("catalog", version));
  const dropped = async () => (await metrics.receiptsDropped.get()).values[0]?.value ?? 0;
  expect(await dropped()).toBe(4_000);
  await receipts.close();
  await eventually(async () => (await dropped()) === 5_000, { timeoutMs: 5_000, what: "the last to be counted" });
});
