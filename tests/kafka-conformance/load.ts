/** Writers under load: each keeps a ledger of what it was told. */
import { Kafka, logLevel } from "kafkajs";
import { type Log, type LogWriter, WriterDeadError } from "../../kafka/log.ts";
import { Ledger } from "./ledger.ts";

export interface Load {
  readonly ledger: Ledger;
  /** Ends the load, when the write under way has settled. */
  stop(): Promise<void>;
}

export const PARTITIONS = 12;
const EVERY_MS = 100;
const RECORDS = 4;

export const partitionsOf = (topic: string) =>
  Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }));

/** About 480 records a second, through one writer; a dead writer is replaced, as its owner would. */
export async function seamLoad(
  log: Log,
  topic: string,
  name: string,
): Promise<Load & { reopened: () => number; longestMs: () => number }> {
  const ledger = new Ledger();
  let running = true;
  let reopened = 0;
  let longestMs = 0;
  let opening: Promise<LogWriter> | undefined;
  let writer = await log.openWriter(name, partitionsOf(topic));
  const replace = async () => {
    opening ??= log.openWriter(name, partitionsOf(topic)).finally(() => {
      opening = undefined;
    });
    writer = await opening;
    reopened++;
  };
  const one = async (partition: number) => {
    for (let n = 0; running; n += RECORDS) {
      const started = performance.now();
      const values = Array.from({ length: RECORDS }, (_, i) => `${name}-${partition}-${n + i}`);
      const records = values.map((value) => ({ key: value, value, headers: {} }));
      const used = writer;
      try {
        ledger.acknowledge(partition, values, await used.write({ topic, partition }, records));
      } catch (error) {
        if (!(error instanceof WriterDeadError)) throw error;
        for (const value of values) ledger.unknownOutcome.add(value);
        if (used === writer) await replace();
      }
      longestMs = Math.max(longestMs, performance.now() - started);
      await Bun.sleep(Math.max(0, EVERY_MS - (performance.now() - started)));
    }
  };
  const work = Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => one(partition)));
  const stop = async () => {
    running = false;
    await work;
    await writer.close();
  };
  return { ledger, stop, reopened: () => reopened, longestMs: () => longestMs };
}

/** The same rate through kafkajs' own idempotent producer, as its documentation shows it: all partitions in one send. */
export async function kafkajsLoad(brokers: readonly string[], topic: string, name: string): Promise<Load> {
  const ledger = new Ledger();
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING, requestTimeout: 5_000 });
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  let running = true;
  const work = (async () => {
    for (let n = 0; running; n += RECORDS) {
      const started = performance.now();
      const sent = Array.from({ length: PARTITIONS }, (_, partition) => ({
        partition,
        values: Array.from({ length: RECORDS }, (_, i) => `${name}-${partition}-${n + i}`),
      }));
      const messages = sent.flatMap(({ partition, values }) =>
        values.map((value) => ({ partition, key: value, value })),
      );
      try {
        await producer.send({ topic, messages });
        for (const { partition, values } of sent) ledger.acknowledge(partition, values, undefined);
      } catch {
        for (const { values } of sent) for (const value of values) ledger.unknownOutcome.add(value);
      }
      await Bun.sleep(Math.max(0, EVERY_MS - (performance.now() - started)));
    }
  })();
  const stop = async () => {
    running = false;
    await work;
    await producer.disconnect();
  };
  return { ledger, stop };
}

/** Follows a topic and notes the offsets as they come. */
export async function consumeOffsets(log: Log, topic: string) {
  const offsets = new Map<number, number[]>();
  let again = 0;
  let revoked = 0;
  const follower = await log.consume({
    group: `follow-${topic}`,
    topics: [topic],
    onRevoked: (partitions) => {
      revoked += partitions.length;
    },
    onBatch: async ({ partition, records }) => {
      const seen = offsets.get(partition) ?? [];
      offsets.set(partition, seen);
      for (const { offset } of records) {
        if (offset <= (seen.at(-1) ?? -1)) again++;
        else seen.push(offset);
      }
    },
  });
  return { follower, offsets, again: () => again, revoked: () => revoked };
}
