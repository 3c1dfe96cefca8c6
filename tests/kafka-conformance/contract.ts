/** A log on one real broker, and what the contract tests do with it. */
import { afterAll, beforeAll, expect } from "bun:test";
import { Kafka, logLevel } from "kafkajs";
import { connectLog } from "../../kafka/connect-log.ts";
import type { Batch, ConsumeOptions, Log, StoredRecord } from "../../kafka/log.ts";
import { createLogger } from "../../observability/logger.ts";
import { brokerAddress, eventually } from "../harness/servers.ts";
import type { Fencing } from "./suite.ts";

/** Topics with one replica. */
export const layout = (partitions: number) => ({ partitions, replicationFactor: 1, minInSyncReplicas: 1 });
/** The values of records, as text. */
export const texts = (records: readonly StoredRecord[]) => records.map(({ value }) => String(value));

/** Connects before the tests of the calling `describe` and closes all logs after them. */
export function useContract(fencing: Fencing): Contract {
  const contract = new Contract(fencing);
  beforeAll(() => contract.start(), 120_000);
  afterAll(() => contract.stop());
  return contract;
}

/** The log of one `describe`. */
export class Contract {
  /** The log that most tests use. */
  log!: Log;
  private readonly logs: Log[] = [];

  constructor(private readonly fencing: Fencing) {}

  async start(): Promise<void> {
    this.log = await this.connect();
  }

  async stop(): Promise<void> {
    await Promise.all(this.logs.splice(0).map((each) => each.close()));
  }

  /** Connects like another process. */
  async connect(): Promise<Log> {
    const log = await connectLog({
      brokers: [await brokerAddress()],
      clientId: "contract",
      logger: createLogger("contract", "1", "error"),
      fencing: this.fencing,
    });
    this.logs.push(log);
    return log;
  }

  async newTopic(partitions = 1, config: Record<string, string> = {}): Promise<string> {
    const name = `contract.${crypto.randomUUID()}`;
    await this.log.ensureTopics([{ name, config }], layout(partitions));
    return name;
  }

  /** Reads partition 0 from `from` to `to` (exclusive), or to its end. Expects that no batch is empty. */
  async read(topic: string, from = 0, to?: number): Promise<StoredRecord[]> {
    const end = to ?? (await this.log.offsets(topic)).get(0)!.next;
    const all: StoredRecord[] = [];
    for await (const records of this.log.read({ topic, partition: 0 }, from, end)) {
      expect(records.length).toBeGreaterThan(0);
      all.push(...records);
    }
    return all;
  }

  /** Reads partition 0 when it has `count` records: an acknowledged write is readable some milliseconds later. */
  async readWhenComplete(topic: string, count: number): Promise<StoredRecord[]> {
    const isComplete = async () => (await this.read(topic)).length >= count;
    await eventually(isComplete, { timeoutMs: 3_000, what: `${count} records` });
    return this.read(topic);
  }

  /** Deletes a topic. */
  async deleteTopic(topic: string): Promise<void> {
    const admin = new Kafka({ brokers: [await brokerAddress()], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [topic] });
    await admin.disconnect();
  }

  /** Deletes the records of partition 0 before an offset. */
  async deleteBefore(topic: string, offset: number): Promise<void> {
    const admin = new Kafka({ brokers: [await brokerAddress()], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    // kafkajs needs the topic's leaders before it can delete records.
    await admin.fetchTopicMetadata({ topics: [topic] });
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
    await admin.disconnect();
  }

  /** Consumes and collects the batches, unless `onBatch` is given. */
  async consume(
    options: Partial<ConsumeOptions> & Pick<ConsumeOptions, "group" | "topics">,
    log = this.log,
  ): Promise<Collector> {
    const batches: Batch[] = [];
    const consumer = await log.consume({ onBatch: async (batch) => void batches.push(batch), ...options });
    return { consumer, batches, values: () => batches.flatMap(({ records }) => texts(records)) };
  }
}

/** A consumer and what it has received. */
export interface Collector {
  readonly consumer: Awaited<ReturnType<Log["consume"]>>;
  readonly batches: readonly Batch[];
  readonly values: () => string[];
}
