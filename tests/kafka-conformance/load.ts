/** Writers under load, each with a ledger, and a consumer that records the offsets it gets. */
import { Kafka, logLevel } from "kafkajs";
import { type Log, type LogWriter, WriterDeadError } from "../../kafka/log.ts";
import { Ledger } from "./ledger.ts";

/** A load that runs until `stop`. */
export interface Load {
  readonly ledger: Ledger;
  /** Ends the load after the writes in flight have settled. */
  stop(): Promise<void>;
}

/** A load through the seam. */
export interface SeamLoad extends Load {
  /** How many dead writers were replaced. */
  readonly reopened: () => number;
  /** Longest time of one write, in milliseconds. */
  readonly longestMs: () => number;
}

/** Partitions of the topics under load. */
export const PARTITIONS = 12;
const INTERVAL_MS = 100;
const RECORDS = 4;

/** Returns all partitions of a topic under load. */
export const partitionsOf = (topic: string) =>
  Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }));

/** Writes about 480 records a second through one writer, and replaces a dead writer like its owner would. */
export async function seamLoad(log: Log, topic: string, name: string): Promise<SeamLoad> {
  const ledger = new Ledger();
  let isRunning = true;
  let reopened = 0;
  let longestMs = 0;
  let opening: Promise<LogWriter> | undefined;
  let writer = await log.openWriter(name, partitionsOf(topic));
  const replaceWriter = async () => {
    opening ??= log.openWriter(name, partitionsOf(topic)).finally(() => {
      opening = undefined;
    });
    writer = await opening;
    reopened++;
  };
  const writeTo = async (partition: number) => {
    for (let n = 0; isRunning; n += RECORDS) {
      const startedMs = performance.now();
      const values = Array.from({ length: RECORDS }, (_, i) => `${name}-${partition}-${n + i}`);
      const records = values.map((value) => ({ key: value, value, headers: {} }));
      const used = writer;
      try {
        ledger.acknowledge(partition, values, await used.write({ topic, partition }, records));
      } catch (error) {
        if (!(error instanceof WriterDeadError)) throw error;
        for (const value of values) ledger.unknownOutcome.add(value);
        if (used === writer) await replaceWriter();
      }
      longestMs = Math.max(longestMs, performance.now() - startedMs);
      await Bun.sleep(Math.max(0, INTERVAL_MS - (performance.now() - startedMs)));
    }
  };
  const work = Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => writeTo(partition)));
  const stop = async () => {
    isRunning = false;
    await work;
    await writer.close();
  };
  return { ledger, stop, reopened: () => reopened, longestMs: () => longestMs };
}

/**
 * Writes at the same rate through kafkajs' own idempotent producer, as its documentation shows it: one `send` for all.
 */
export async function kafkajsLoad(brokers: readonly string[], topic: string, name: string): Promise<Load> {
  const ledger = new Ledger();
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING, requestTimeout: 5_000 });
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  let isRunning = true;
  const work = (async () => {
    for (let n = 0; isRunning; n += RECORDS) {
      const startedMs = performance.now();
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
      await Bun.sleep(Math.max(0, INTERVAL_MS - (performance.now() - startedMs)));
    }
  })();
  const stop = async () => {
    isRunning = false;
    await work;
    await producer.disconnect();
  };
  return { ledger, stop };
}

/** Consumes a topic and records the offsets in the order in which they arrive. */
export async function consumeOffsets(log: Log, topic: string) {
  const offsets = new Map<number, number[]>();
  let redelivered = 0;
  let revoked = 0;
  const consumer = await log.consume({
    group: `consume-${topic}`,
    topics: [topic],
    onRevoked: (partitions) => {
      revoked += partitions.length;
    },
    onBatch: async ({ partition, records }) => {
      const ofPartition = offsets.get(partition) ?? [];
      offsets.set(partition, ofPartition);
      for (const { offset } of records) {
        if (offset <= (ofPartition.at(-1) ?? -1)) redelivered++;
        else ofPartition.push(offset);
      }
    },
  });
  return { consumer, offsets, redelivered: () => redelivered, revoked: () => revoked };
}
