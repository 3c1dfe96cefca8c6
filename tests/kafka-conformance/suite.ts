/** What the rows share: three brokers behind proxies, and a log that is connected through these. */
import { expect } from "bun:test";
import { connectLog } from "../../kafka/connect-log.ts";
import type { Log, StoredRecord, TopicPartition } from "../../kafka/log.ts";
import { createLogger } from "../../observability/logger.ts";
import { startBrokers, type TestBrokers } from "../harness/brokers.ts";
import { eventually } from "../harness/eventually.ts";

/** The two ways of the seam to keep writers from each other; each must pass every row. */
export type Fencing = "epochs" | "transactions";

/** Those that the tests run with: both, or the one in CONFORMANCE_FENCING. */
export const fencings: readonly Fencing[] = (["epochs", "transactions"] as const).filter(
  (each) => (process.env.CONFORMANCE_FENCING ?? each) === each,
);

export interface Suite {
  readonly brokers: TestBrokers;
  /** For reading, whatever the writers. */
  readonly log: Log;
  /** Another process' view: connections and cluster knowledge of its own. */
  connect(fencing: Fencing): Promise<Log>;
  /** A new topic of 12 partitions, or as many as given, on all brokers. */
  topic(partitions?: number): Promise<string>;
  stop(): Promise<void>;
}

let topics = 0;

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
    async topic(partitions = 12) {
      const name = `conformance.${++topics}`;
      await log.ensureTopics([{ name, config: {} }], {
        partitions,
        replicationFactor: count,
        minInSyncReplicas: count === 3 ? 2 : 1,
      });
      return name;
    },
    async stop() {
      await Promise.all(logs.map((each) => each.close()));
      await brokers.stop();
    },
  };
}

/** Waits until a partition has exactly these values, in order; a committed transaction is readable some milliseconds later. */
export async function expectContent(
  log: Log,
  topicPartition: TopicPartition,
  values: readonly string[],
): Promise<void> {
  const seen = async () => (await contentOf(log, topicPartition)).map(({ value }) => String(value));
  const complete = async () => (await seen()).length >= values.length;
  await eventually(complete, { timeoutMs: 3_000, what: `${values.length} records` }).catch(() => {});
  expect(await seen()).toEqual([...values]);
}

/** Everything that a partition has now, in order. */
export async function contentOf(log: Log, topicPartition: TopicPartition): Promise<StoredRecord[]> {
  const { next } = (await log.offsets(topicPartition.topic)).get(topicPartition.partition)!;
  const all: StoredRecord[] = [];
  for await (const records of log.read(topicPartition, 0, next)) all.push(...records);
  return all;
}

export const record = (value: string) => ({ key: value, value, headers: {} });
