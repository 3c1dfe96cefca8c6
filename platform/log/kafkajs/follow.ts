/** A member of a consumer group, by kafkajs' consumer. */
import { type Consumer, Kafka } from "kafkajs";
import type { Logger } from "../../../observability/logger.ts";
import type { Batch, Follower, FollowOptions, StoredRecord, TopicPartition } from "../log.ts";
import { kafkajsLogging } from "./logging.ts";
import { nameOf } from "./offsets.ts";
import { watchedSockets } from "./socket.ts";

export async function follow(
  options: FollowOptions,
  using: { brokers: readonly string[]; clientId: string; logger: Logger },
): Promise<Follower> {
  const { level, logCreator } = kafkajsLogging(using.logger);
  const kafka = new Kafka({
    brokers: [...using.brokers],
    clientId: using.clientId,
    logLevel: level,
    logCreator,
    socketFactory: watchedSockets(5_000, 30_000),
    connectionTimeout: 2_000,
    requestTimeout: 10_000,
    retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 20 },
  });
  const consumer = kafka.consumer({
    groupId: options.group,
    sessionTimeout: 6_000,
    heartbeatInterval: 1_000,
    rebalanceTimeout: 10_000,
    maxWaitTimeInMs: 500,
    readUncommitted: true,
    allowAutoTopicCreation: false,
    maxBytesPerPartition: options.maxBytesPerPartition ?? 1_048_576,
  });
  let lastFetchMs = performance.now();
  let owned: TopicPartition[] = [];
  const mutexes = new Map<string, Promise<void>>();
  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => {});
  consumer.on(consumer.events.FETCH, () => {
    lastFetchMs = performance.now();
  });
  const joined = Promise.withResolvers<void>();
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    const now = Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    const names = new Set(now.map(nameOf));
    const lost = owned.filter((at) => !names.has(nameOf(at)));
    owned = now;
    if (lost.length > 0) options.onRevoked?.(lost);
    joined.resolve();
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) ended.reject(payload.error);
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [...options.topics], fromBeginning: true });
  await consumer.run({
    autoCommit: true,
    autoCommitInterval: 1_000,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: options.concurrency ?? 12,
    eachBatch: async ({ batch, resolveOffset, heartbeat, commitOffsetsIfNecessary, isRunning, isStale }) => {
      const at = { topic: batch.topic, partition: batch.partition };
      const records = batch.messages.map((message) => stored(at, message));
      const run = async () => {
        if (!isRunning() || isStale()) return;
        const alive = setInterval(() => void heartbeat().catch(() => {}), 1_000);
        try {
          await options.onBatch({ ...at, records, highWatermark: Number(batch.highWatermark) } satisfies Batch);
          resolveOffset(batch.lastOffset());
          await commitOffsetsIfNecessary();
        } catch (error) {
          using.logger.warn({ err: error, ...at }, "a batch failed and will come again");
          await Bun.sleep(250);
        } finally {
          clearInterval(alive);
        }
      };
      const name = nameOf(at);
      const mine = (mutexes.get(name) ?? Promise.resolve()).then(run);
      mutexes.set(
        name,
        mine.catch(() => {}),
      );
      await mine;
    },
  });
  return {
    ended: ended.promise,
    fetchAgeMs: () => performance.now() - lastFetchMs,
    assigned: () => owned,
    close: () => close(consumer).then(() => ended.resolve()),
  };
}

async function close(consumer: Consumer): Promise<void> {
  await consumer.disconnect();
}

type Message = { offset: string; timestamp: string; key: Buffer | null; value: Buffer | null; headers?: object };

function stored(at: TopicPartition, message: Message): StoredRecord {
  const rawHeaders: Record<string, Buffer> = {};
  for (const [name, value] of Object.entries(message.headers ?? {}))
    rawHeaders[name] = Buffer.from(Array.isArray(value) ? value.at(-1) : (value ?? ""));
  return {
    ...at,
    offset: Number(message.offset),
    timestampMs: Number(message.timestamp),
    key: message.key,
    value: message.value,
    rawHeaders,
    headers: Object.fromEntries(Object.entries(rawHeaders).map(([name, value]) => [name, value.toString("utf8")])),
  };
}
