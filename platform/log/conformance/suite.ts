/** What the rows share: three brokers behind proxies, and a log that is connected through these. */
import { createLogger } from "../../../observability/logger.ts";
import { startBrokers, type TestBrokers } from "../../../tests/harness/brokers.ts";
import { connectLog } from "../kafkajs/index.ts";
import type { Log, StoredRecord, TopicPartition } from "../log.ts";

export interface Suite {
  readonly brokers: TestBrokers;
  readonly log: Log;
  /** Another process' view: connections and cluster knowledge of its own. */
  another(): Promise<Log>;
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
  const another = async () => {
    const log = await connectLog({
      brokers: brokers.addresses,
      clientId: "conformance",
      logger: createLogger("conformance", "1", "error"),
    });
    logs.push(log);
    return log;
  };
  const log = await another();
  return {
    brokers,
    log,
    another,
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

/** Everything that a partition has now, in order. */
export async function contentOf(log: Log, at: TopicPartition): Promise<StoredRecord[]> {
  const { next } = (await log.bounds(at.topic)).get(at.partition)!;
  const all: StoredRecord[] = [];
  for await (const records of log.read(at, 0, next)) all.push(...records);
  return all;
}

export const record = (value: string) => ({ key: value, value, headers: {} });
