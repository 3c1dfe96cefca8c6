/** The contract of `Watcher`, on one real broker. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Kafka, logLevel } from "kafkajs";
import { connectLog } from "../../kafka/connect-log.ts";
import type { Log, StoredRecord } from "../../kafka/log.ts";
import { createLogger } from "../../observability/logger.ts";
import { withTimeout } from "../../platform/async/timeout.ts";
import { brokerAddress, eventually } from "../harness/servers.ts";

const PARTITIONS = [0, 1, 2];
let log: Log;

beforeAll(async () => {
  const logger = createLogger("watch", "1", "error");
  log = await connectLog({ brokers: [await brokerAddress()], clientId: "watch", logger });
}, 120_000);
afterAll(async () => {
  await log?.close();
});

async function newTopic(topic = `watch.${crypto.randomUUID()}`) {
  const shape = { partitions: PARTITIONS.length, replicationFactor: 1, minInSyncReplicas: 1 };
  await log.ensureTopics([{ name: topic, config: {} }], shape);
  const writer = await log.openWriter(
    topic,
    PARTITIONS.map((partition) => ({ topic, partition })),
  );
  const write = (values: readonly string[]) =>
    Promise.all(
      PARTITIONS.map((partition) =>
        writer.write(
          { topic, partition },
          values.map((value) => ({ key: value, value: `${partition} ${value}`, headers: {} })),
        ),
      ),
    );
  return { topic, write };
}

const texts = (records: readonly StoredRecord[]) => records.map(({ value }) => String(value));
const byPartition = (values: readonly string[], partition: number) =>
  values.filter((text) => text.startsWith(`${partition} `)).map((text) => text.slice(2));

test("a watcher from the start gets every record in order, and resolves `caughtUp` after the stored ones", async () => {
  const { topic, write } = await newTopic();
  await write(["a", "b"]);
  const received: string[] = [];
  const watcher = await log.watch({
    topic,
    from: "start",
    onRecords: (records) => void received.push(...texts(records)),
  });
  await watcher.caughtUp;
  expect(received).toHaveLength(6);
  await write(["c"]);
  await eventually(() => received.length === 9, { timeoutMs: 10_000, what: "9 records" });
  for (const partition of PARTITIONS) expect(byPartition(received, partition)).toEqual(["a", "b", "c"]);
  await watcher.close();
  await watcher.ended;
});

test("a watcher from the end gets the records written after it started, and no earlier one", async () => {
  const { topic, write } = await newTopic();
  await write(["before"]);
  const received: string[] = [];
  const watcher = await log.watch({
    topic,
    from: "end",
    onRecords: (records) => void received.push(...texts(records)),
  });
  await watcher.caughtUp;
  await write(["after"]);
  await eventually(() => received.length === 3, { timeoutMs: 10_000, what: "3 records" });
  expect(received.toSorted()).toEqual(PARTITIONS.map((partition) => `${partition} after`));
  await watcher.close();
});

test("calls of onRecords do not overlap, and an error in one ends the watcher", async () => {
  const { topic, write } = await newTopic();
  let active = 0;
  let calls = 0;
  const watcher = await log.watch({
    topic,
    from: "start",
    async onRecords() {
      expect(++active).toBe(1);
      await Bun.sleep(5);
      active--;
      if (++calls === 3) throw new Error("enough");
    },
  });
  await write(["a"]);
  await expect(watcher.ended).rejects.toThrow("enough");
  expect(calls).toBe(3);
  await watcher.close();
});

test("a watcher that is closed before it has caught up says so", async () => {
  const { topic, write } = await newTopic();
  await write(["a"]);
  const [started, delivery] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const onRecords = () => {
    started.resolve();
    return delivery.promise;
  };
  const watcher = await log.watch({ topic, from: "start", onRecords });
  await started.promise;
  const closed = watcher.close();
  delivery.resolve();
  await closed;
  await watcher.ended;
  await expect(watcher.caughtUp).rejects.toThrow(`the watcher of ${topic} was closed before it had caught up`);
});

test("watching a topic that does not exist rejects", async () => {
  await expect(log.watch({ topic: "watch.none", from: "end", onRecords: () => {} })).rejects.toThrow("watch.none");
});

async function deleteTopic(topic: string): Promise<void> {
  const admin = new Kafka({ brokers: [await brokerAddress()], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
  await eventually(async () => (await log.topicIds([topic])).size === 0, { timeoutMs: 10_000, what: "the deletion" });
}

test("a watcher reads a topic that was created again from its start, although it is as long as before", async () => {
  const { topic, write } = await newTopic();
  await write(["a", "b"]);
  const received: string[] = [];
  const watcher = await log.watch({
    topic,
    from: "start",
    onRecords: (records) => void received.push(...texts(records)),
  });
  await watcher.caughtUp;
  await deleteTopic(topic);
  const again = await newTopic(topic);
  await again.write(["c", "d", "e"]);
  await eventually(() => received.length === 15, { timeoutMs: 20_000, what: "15 records" });
  for (const partition of PARTITIONS) expect(byPartition(received, partition)).toEqual(["a", "b", "c", "d", "e"]);
  await watcher.close();
}, 60_000);

test("a topic that is created again before a watcher has caught up leaves nothing to catch up with", async () => {
  const { topic, write } = await newTopic();
  await write(["a"]);
  const delivery = Promise.withResolvers<void>();
  const watcher = await log.watch({ topic, from: "start", onRecords: () => delivery.promise });
  await deleteTopic(topic);
  await newTopic(topic);
  await withTimeout(watcher.caughtUp, 20_000, () => new Error("the watcher has not caught up"));
  delivery.resolve();
  await watcher.close();
}, 60_000);
