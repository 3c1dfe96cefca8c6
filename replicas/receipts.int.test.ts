import { afterAll, beforeAll, expect, test } from "bun:test";
import { decodeReceipt, type Receipt } from "../contracts/receipt.ts";
import { receiptsTopic } from "../contracts/topics.ts";
import { connectLog } from "../kafka/connect-log.ts";
import type { Log } from "../kafka/log.ts";
import { createMetrics, type Metrics } from "../observability/metrics.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { newId, silentLogger } from "../tests/harness/replica.ts";
import { brokerAddress } from "../tests/harness/servers.ts";
import { project } from "../tests/project/index.ts";
import { Receipts } from "./receipts.ts";

let log: Log;
beforeAll(async () => {
  log = await connectLog({ brokers: [await brokerAddress()], clientId: "test", logger: silentLogger });
  await log.ensureTopics([receiptsTopic(project)], { partitions: 1, replicationFactor: 1, minInSyncReplicas: 1 });
}, 60_000);
afterAll(() => log.close());

const receipt = (replica: string, version: number): Receipt => ({
  replica,
  entity: "product",
  appliedMs: 20,
  cachedMs: null,
  changes: [["0190a2b0-0000-7000-8000-000000000000", version, 10]],
});

test("receipts reach the log in order, and queued ones are written at close", async () => {
  const replica = newId();
  const versions: number[] = [];
  const watcher = await log.watch({
    topic: receiptsTopic(project).name,
    from: "end",
    onRecords(records) {
      for (const { value } of records) {
        const decoded = decodeReceipt(value);
        if (decoded?.replica === replica) versions.push(decoded.changes[0]![1]);
      }
    },
  });
  const receipts = new Receipts(
    { log, logger: silentLogger, metrics: createMetrics("test", "1"), project },
    `test.${replica}`,
  );
  for (let version = 1; version <= 500; version++) receipts.add(receipt(replica, version));
  await eventually(() => versions.length === 500, { timeoutMs: 10_000, what: "all receipts" });
  receipts.add(receipt(replica, 501));
  receipts.add(receipt(replica, 502));
  await receipts.close();
  await eventually(() => versions.length === 502, { timeoutMs: 10_000, what: "the last receipts" });
  expect(versions).toEqual(Array.from({ length: 502 }, (_, i) => i + 1));
  await watcher.close();
});

const droppedIn = async (metrics: Metrics) => (await metrics.receiptsDropped.get()).values[0]?.value ?? 0;

test("receipts that could not be written are written when the log is available again", async () => {
  const metrics = createMetrics("test", "1");
  const replica = newId();
  let available = false;
  const failed = Promise.withResolvers<void>();
  const flaky = {
    ...log,
    async openWriter(...args: Parameters<Log["openWriter"]>) {
      if (available) return await log.openWriter(...args);
      failed.resolve();
      throw new Error("unavailable");
    },
  };
  const found = new Set<number>();
  const watcher = await log.watch({
    topic: receiptsTopic(project).name,
    from: "end",
    onRecords(records) {
      for (const { value } of records) {
        const decoded = decodeReceipt(value);
        if (decoded?.replica === replica) found.add(decoded.changes[0]![1]);
      }
    },
  });
  const receipts = new Receipts({ log: flaky, logger: silentLogger, metrics, project }, `test.${replica}`);
  for (let version = 1; version <= 300; version++) receipts.add(receipt(replica, version));
  await failed.promise;
  available = true;
  await eventually(() => found.size === 300, { timeoutMs: 10_000, what: "all receipts" });
  expect(await droppedIn(metrics)).toBe(0);
  await receipts.close();
  await watcher.close();
});

test("while the log is unavailable, receipts beyond the limit are dropped and counted, and none waits", async () => {
  const metrics = createMetrics("test", "1");
  const unavailable = { ...log, openWriter: () => Promise.reject(new Error("unavailable")) };
  const receipts = new Receipts({ log: unavailable, logger: silentLogger, metrics, project }, "test.unavailable");
  for (let version = 1; version <= 5_000; version++) receipts.add(receipt("catalog", version));
  const dropped = () => droppedIn(metrics);
  expect(await dropped()).toBe(4_000);
  await receipts.close();
  await eventually(async () => (await dropped()) === 5_000, {
    timeoutMs: 5_000,
    what: "the last receipts to be counted",
  });
});
