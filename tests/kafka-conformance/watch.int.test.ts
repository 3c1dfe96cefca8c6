/** Reading without a group, on one real broker. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connectLog } from "../../kafka/connect-log.ts";
import type { Log, StoredRecord } from "../../kafka/log.ts";
import { createLogger } from "../../observability/logger.ts";
import { brokerAddress, eventually } from "../harness/parts.ts";

const PARTITIONS = [0, 1, 2];
let log: Log;

beforeAll(async () => {
  const logger = createLogger("watch", "1", "error");
  log = await connectLog({ brokers: [await brokerAddress()], clientId: "watch", logger });
}, 120_000);
afterAll(async () => {
  await log?.close();
});

async function newTopic() {
  const topic = `watch.${crypto.randomUUID()}`;
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
const byPartition = (seen: readonly string[], partition: number) =>
  seen.filter((text) => text.startsWith(`${partition} `)).map((text) => text.slice(2));

test("a watcher from the start gets everything, each partition in order, and says when it has caught up", async () => {
  const { topic, write } = await newTopic();
  await write(["a", "b"]);
  const seen: string[] = [];
  const watcher = await log.watch({ topic, from: "start", onRecords: (records) => void seen.push(...texts(records)) });
  await watcher.caughtUp;
  expect(seen).toHaveLength(6);
  await write(["c"]);
  await eventually(() => seen.length === 9, { timeoutMs: 10_000, what: "what came later" });
  for (const partition of PARTITIONS) expect(byPartition(seen, partition)).toEqual(["a", "b", "c"]);
  await watcher.close();
  await watcher.ended;
});

test("a watcher from the end gets what is written after it was made, and nothing before", async () => {
  const { topic, write } = await newTopic();
  await write(["before"]);
  const seen: string[] = [];
  const watcher = await log.watch({ topic, from: "end", onRecords: (records) => void seen.push(...texts(records)) });
  await watcher.caughtUp;
  await write(["after"]);
  await eventually(() => seen.length === 3, { timeoutMs: 10_000, what: "the records written after" });
  expect(seen.toSorted()).toEqual(PARTITIONS.map((partition) => `${partition} after`));
  await watcher.close();
});

test("calls do not overlap, and an error of one ends the watcher", async () => {
  const { topic, write } = await newTopic();
  let inside = 0;
  let calls = 0;
  const watcher = await log.watch({
    topic,
    from: "start",
    async onRecords() {
      expect(++inside).toBe(1);
      await Bun.sleep(5);
      inside--;
      if (++calls === 3) throw new Error("enough");
    },
  });
  await write(["a"]);
  await expect(watcher.ended).rejects.toThrow("enough");
  expect(calls).toBe(3);
  await watcher.close();
});

test("a topic that is not there is refused", async () => {
  await expect(log.watch({ topic: "watch.none", from: "end", onRecords: () => {} })).rejects.toThrow("watch.none");
});
