/**
 * Measures one write, from the call until all replicas have it, at a steady rate over 12 partitions. The seam's writers
 * and kafkajs' producers run in turn. Prints the table of docs/decisions/001-log-writer.md.
 *
 *     bun tests/kafka-conformance/latency.ts [host:port,…] [events per second]
 */
import { Kafka, logLevel, type Producer } from "kafkajs";
import { connectLog } from "../../kafka/connect-log.ts";
import { createLogger } from "../../observability/logger.ts";
import { brokerAddress } from "../harness/servers.ts";
import { PARTITIONS, partitionsOf } from "./load.ts";
import type { Fencing } from "./suite.ts";

const SECONDS = 10;
const ROUNDS = 3;
const VALUE = "x".repeat(300);

/** Writes some records to one partition. Resolves when they are safe. */
type WriteRecords = (partition: number, count: number) => Promise<unknown>;

const brokers = (process.argv[2] ?? (await brokerAddress())).split(",");
const rate = Number(process.argv[3] ?? 200);
const topic = `latency.${Date.now()}`;
const connect = (fencing: Fencing) =>
  connectLog({ brokers, clientId: "latency", logger: createLogger("latency", "1", "error"), fencing });
const log = await connect("epochs");
const replicationFactor = Math.min(3, brokers.length);
const shape = { partitions: PARTITIONS, replicationFactor, minInSyncReplicas: Math.max(1, replicationFactor - 1) };
await log.ensureTopics([{ name: topic, config: {} }], shape);

const retry = { initialRetryTime: 5, maxRetryTime: 100, retries: 30 };
const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING, retry });
const messages = (partition: number, count: number) =>
  Array.from({ length: count }, () => ({ partition, value: VALUE }));

async function seamWriter(fencing: Fencing): Promise<WriteRecords> {
  const log = await connect(fencing);
  const nameFor = (partition: number) => `${topic}.${fencing}.${partition}`;
  const writers = await Promise.all(
    partitionsOf(topic).map((topicPartition) => log.openWriter(nameFor(topicPartition.partition), [topicPartition])),
  );
  const record = { key: null, value: VALUE, headers: {} };
  return (partition, count) => writers[partition]!.write({ topic, partition }, Array(count).fill(record));
}

async function connectProducers(
  options: (partition: number) => Parameters<typeof kafka.producer>[0],
): Promise<Producer[]> {
  const producers = partitionsOf(topic).map(({ partition }) => kafka.producer(options(partition)));
  await Promise.all(producers.map((producer) => producer.connect()));
  return producers;
}

async function idempotentProducer(): Promise<WriteRecords> {
  const producers = await connectProducers(() => ({ idempotent: true, maxInFlightRequests: 1 }));
  return (partition, count) => producers[partition]!.send({ topic, messages: messages(partition, count) });
}

/** Sends records and the input's offset in one transaction, with one transactional id for each partition. */
async function transactionalProducer(): Promise<WriteRecords> {
  const options = (partition: number) => ({
    idempotent: true,
    maxInFlightRequests: 1,
    transactionalId: `${topic}.tx.${partition}`,
  });
  const producers = await connectProducers(options);
  let offset = 0;
  return async (partition, count) => {
    const transaction = await producers[partition]!.transaction();
    await transaction.send({ topic, messages: messages(partition, count) });
    const topics = [{ topic, partitions: [{ partition, offset: String(++offset) }] }];
    await transaction.sendOffsets({ consumerGroupId: `${topic}.${partition}`, topics });
    await transaction.commit();
  };
}

/**
 * Events are due at the rate, whether or not earlier ones are done. Due events of one partition are written together.
 */
async function measure(write: WriteRecords): Promise<number[]> {
  const durations: number[] = [];
  const queued = Array.from({ length: PARTITIONS }, () => [] as number[]);
  const active = new Set<number>();
  const writeDue = async (partition: number) => {
    if (active.has(partition)) return;
    active.add(partition);
    for (let due = queued[partition]!.splice(0); due.length > 0; due = queued[partition]!.splice(0)) {
      await write(partition, due.length);
      durations.push(...due.map((dueMs) => performance.now() - dueMs));
    }
    active.delete(partition);
  };
  const startedMs = performance.now();
  for (let n = 0; n < rate * SECONDS; n++) {
    const dueMs = startedMs + (n * 1000) / rate;
    if (dueMs > performance.now()) await Bun.sleep(dueMs - performance.now());
    const partition = Math.floor(Math.random() * PARTITIONS);
    queued[partition]!.push(dueMs);
    void writeDue(partition);
  }
  while (durations.length < rate * SECONDS) await Bun.sleep(5);
  return durations.sort((a, b) => a - b);
}

const clients = {
  "the seam's writer, epochs": await seamWriter("epochs"),
  "the seam's writer, transactions": await seamWriter("transactions"),
  "kafkajs, idempotent": await idempotentProducer(),
  "kafkajs, transaction with offsets": await transactionalProducer(),
};
for (const write of Object.values(clients))
  for (let partition = 0; partition < PARTITIONS; partition++) await write(partition, 1);

const results = new Map<string, number[]>();
for (let round = 0; round < ROUNDS; round++)
  for (const [name, write] of Object.entries(clients))
    results.set(name, [...(results.get(name) ?? []), ...(await measure(write))]);

const percentile = (sorted: readonly number[], share: number) => sorted[Math.floor(sorted.length * share)]!.toFixed(1);
console.log(
  `${rate} events/s, 12 partitions, ${brokers.length} broker(s), ${ROUNDS} rounds of ${SECONDS} s per client`,
);
console.log("| client | p50 ms | p99 ms |\n|---|---|---|");
for (const [name, durations] of results) {
  const sorted = durations.sort((a, b) => a - b);
  console.log(`| ${name} | ${percentile(sorted, 0.5)} | ${percentile(sorted, 0.99)} |`);
}
process.exit(0);
