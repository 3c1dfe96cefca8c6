/** Brokers behind proxies, and logs that connect through these proxies, for all rows. */
import { expect } from "bun:test";
import { connectLog } from "../../kafka/connect-log.ts";
import type { Log, StoredRecord, TopicPartition } from "../../kafka/log.ts";
import { createLogger } from "../../observability/logger.ts";
import { startBrokers, type TestBrokers } from "../harness/brokers.ts";
import { eventually } from "../harness/eventually.ts";

/** How writers fence earlier ones. Both kinds must pass every row. */
export type Fencing = "epochs" | "transactions";

/** Both kinds, or the one in CONFORMANCE_FENCING. */
export const fencings: readonly Fencing[] = (["epochs", "transactions"] as const).filter(
  (fencing) => (process.env.CONFORMANCE_FENCING ?? fencing) === fencing,
);

/** What rows run on. */
export interface Suite {
  readonly brokers: TestBrokers;
  /** A log for reading, whatever the writers. */
  readonly log: Log;
  /** Connects like another process: with connections and cluster metadata of its own. */
  connect(fencing: Fencing): Promise<Log>;
  /** Creates a topic on all brokers. @param partitions default 12. */
  newTopic(partitions?: number): Promise<string>;
  stop(): Promise<void>;
}

/** A function that gets the suite when a test runs: tests are declared before the suite has started. */
export type GetSuite = () => Suite;

let topicCount = 0;

/** Starts brokers with extra configuration. @param count default 3. */
export async function startSuite(
  config: Readonly<Record<string, string | number>> = {},
  count: 1 | 3 = 3,
): Promise<Suite> {
  const brokers = await startBrokers(count, config);
  const logs: Log[] = [];
  const connect = async (fencing: Fencing) => {
    const log = await connectLog({
      brokers: brokers.addresses,
      clientId: "conformance",
      logger: createLogger("conformance", "1", "error"),
      fencing,
    });
    logs.push(log);
    return log;
  };
  const log = await connect("epochs");
  return {
    brokers,
    log,
    connect,
    async newTopic(partitions = 12) {
      const name = `conformance.${++topicCount}`;
      const layout = { partitions, replicationFactor: count, minInSyncReplicas: count === 3 ? 2 : 1 };
      await log.ensureTopics([{ name, config: {} }], layout);
      return name;
    },
    async stop() {
      await Promise.all(logs.map((each) => each.close()));
      await brokers.stop();
    },
  };
}

/** Expects exactly these values, in order. Waits up to 3 seconds, because a committed transaction is readable later. */
export async function expectContent(
  log: Log,
  topicPartition: TopicPartition,
  values: readonly string[],
): Promise<void> {
  const stored = async () => (await readAll(log, topicPartition)).map(({ value }) => String(value));
  const isComplete = async () => (await stored()).length >= values.length;
  await eventually(isComplete, { timeoutMs: 3_000, what: `${values.length} records` }).catch(() => {});
  expect(await stored()).toEqual([...values]);
}

/** Returns everything that a partition has now, in order. */
export async function readAll(log: Log, topicPartition: TopicPartition): Promise<StoredRecord[]> {
  const { next } = (await log.offsets(topicPartition.topic)).get(topicPartition.partition)!;
  const all: StoredRecord[] = [];
  for await (const records of log.read(topicPartition, 0, next)) all.push(...records);
  return all;
}

/** A record whose key is its value. */
export const record = (value: string) => ({ key: value, value, headers: {} });
