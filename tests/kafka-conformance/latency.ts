/**
 * How long one write takes, from the call to all replicas having it, at a steady rate over 12 partitions: the seam's writer
 * beside kafkajs' producers, in turn in the same run. Prints the table of docs/decisions/001-log-writer.md.
 *
 *     bun tests/kafka-conformance/latency.ts [host:port,…] [events per second]
 */
import { Kafka, logLevel, type Producer } from "kafkajs";
import { connectLog } from "../../kafka/connect-log.ts";
import { createLogger } from "../../observability/logger.ts";
import { brokerAddress } from "../harness/parts.ts";
import { PARTITIONS, partitionsOf } from "./load.ts";
import type { Fencing } from "./suite.ts";

const SECONDS = 10;
const ROUNDS = 3;
const VALUE = "x".repeat(300);

/** Carries some records of one partition to the log; resolves when they are safe. */
type Carry = (partition: number, count: number) => Promise<unknown>;

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

async function seam(fencing: Fencing): Promise<Carry> {
  const own = await connect(fencing);
  const names = (partition: number) => `${topic}.${fencing}.${partition}`;
  const writers = await Promise.all(
    partitionsOf(topic).map((topicPartition) => own.openWriter(names(topicPartition.partition), [topicPartition])),
  );
  const record = { key: null, value: VALUE, headers: {} };
  return (partition, count) => writers[partition]!.write({ topic, partition }, Array(count).fill(record));
}

async function connected(options: (partition: number) => Parameters<typeof kafka.producer>[0]): Promise<Producer[]> {
  const producers = partitionsOf(topic).map(({ partition }) => kafka.producer(options(partition)));
  await Promise.all(producers.map((producer) => producer.connect()));
  return producers;
}

async function idempotent(): Promise<Carry> {
  const producers = await connected(() => ({ idempotent: true, maxInFlightRequests: 1 }));
  return (partition, count) => producers[partition]!.send({ topic, messages: messages(partition, count) });
}

/** Records and the input's offset in one transaction, one transactional id for each input partition. */
async function transactional(): Promise<Carry> {
  const ids = (partition: number) => ({
    idempotent: true,
    maxInFlightRequests: 1,
    transactionalId: `${topic}.tx.${partition}`,
  });
  const producers = await connected(ids);
  let offset = 0;
  return async (partition, count) => {
    const transaction = await producers[partition]!.transaction();
    await transaction.send({ topic, messages: messages(partition, count) });
    const topics = [{ topic, partitions: [{ partition, offset: String(++offset) }] }];
    await transaction.sendOffsets({ consumerGroupId: `${topic}.${partition}`, topics });
    await transaction.commit();
  };
}

/** Events fall due at the rate whether or not earlier ones are done; those of a partition that wait are carried together. */
async function measure(carry: Carry): Promise<number[]> {
  const took: number[] = [];
  const waiting = Array.from({ length: PARTITIONS }, () => [] as number[]);
  const busy = new Set<number>();
  const work = async (partition: number) => {
    if (busy.has(partition)) return;
    busy.add(partition);
    for (let due = waiting[partition]!.splice(0); due.length > 0; due = waiting[partition]!.splice(0)) {
      await carry(partition, due.length);
      took.push(...due.map((at) => performance.now() - at));
    }
    busy.delete(partition);
  };
  const started = performance.now();
  for (let n = 0; n < rate * SECONDS; n++) {
    const due = started + (n * 1000) / rate;
    if (due > performance.now()) await Bun.sleep(due - performance.now());
    const partition = Math.floor(Math.random() * PARTITIONS);
    waiting[partition]!.push(due);
    void work(partition);
  }
  while (took.length < rate * SECONDS) await Bun.sleep(5);
  return took.sort((a, b) => a - b);
}

const clients = {
  "the seam's writer, by epochs": await seam("epochs"),
  "the seam's writer, by transactions": await seam("transactions"),
  "kafkajs, idempotent": await idempotent(),
  "kafkajs, transaction with offsets": await transactional(),
};
for (const carry of Object.values(clients))
  for (let partition = 0; partition < PARTITIONS; partition++) await carry(partition, 1);

const all = new Map<string, number[]>();
for (let round = 0; round < ROUNDS; round++)
  for (const [name, carry] of Object.entries(clients))
    all.set(name, [...(all.get(name) ?? []), ...(await measure(carry))]);

const ms = (sorted: readonly number[], share: number) => sorted[Math.floor(sorted.length * share)]!.toFixed(1);
console.log(
  `${rate} events/s, 12 partitions, ${brokers.length} broker(s), ${ROUNDS} rounds of ${SECONDS} s each, in turn`,
);
console.log("| client | p50 ms | p99 ms |\n|---|---|---|");
for (const [name, took] of all) {
  const sorted = took.sort((a, b) => a - b);
  console.log(`| ${name} | ${ms(sorted, 0.5)} | ${ms(sorted, 0.99)} |`);
}
process.exit(0);
