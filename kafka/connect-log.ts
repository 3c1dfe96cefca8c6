/** Connects to the brokers and assembles the log from its parts: writers, consumers, watchers, offsets, topics. */
import type { KafkaConfig } from "kafkajs";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { startOffsets } from "./consumer/commits.ts";
import { startConsumer } from "./consumer/consumer.ts";
import { readRange } from "./consumer/read-range.ts";
import { WatchLoops } from "./consumer/watch-loops.ts";
import { startWatcher } from "./consumer/watcher.ts";
import { type Consumer, type Log, partitionKey, partitionsOf } from "./log.ts";
import { OffsetRanges } from "./offsets.ts";
import { ensureTopics, topicConfig } from "./topics.ts";
import { Cluster } from "./wire/cluster.ts";
import { ConnectionOptions } from "./wire/connection.ts";
import { retryRequest } from "./wire/retry-request.ts";
import { EpochWriter } from "./writer/epoch-writer.ts";
import { fence } from "./writer/fence.ts";
import { Sender } from "./writer/sender.ts";
import { TransactionalWriter } from "./writer/transactional-writer.ts";

/** Where the brokers are and how to use them. */
export interface LogOptions {
  /** `host:port` of each broker. One of them must be reachable at the start. */
  readonly brokers: readonly string[];
  /** Names this process in the brokers' logs and quotas. */
  readonly clientId: string;
  readonly logger: Logger;
  /** Counts the requests to brokers. Default: they are not counted. */
  readonly metrics?: Pick<Metrics, "brokerRequests">;
  /** TLS and SASL in kafkajs' form. Default: neither. */
  readonly security?: Pick<KafkaConfig, "ssl" | "sasl">;
  /** Time limit for the first connection. Default 20,000 ms. */
  readonly connectTimeoutMs?: number;
  /** Time limit for one batch. After it, the outcome counts as unknown and the writer is dead. Default 30,000 ms. */
  readonly writeTimeoutMs?: number;
  /**
   * How a new writer fences earlier ones. `epochs` needs brokers that reject an older epoch of a producer id in every
   * batch, as Apache Kafka does. `transactions` works on every broker with transactions and is slower. Default:
   * `transactions` on Redpanda, `epochs` otherwise.
   */
  readonly fencing?: "epochs" | "transactions";
}

const CONNECT_TIMEOUT_MS = 20_000;
/** No warning before this time: brokers that start together with this process are unavailable for a moment. */
const WARN_AFTER_MS = 3_000;

/** Connects to the brokers. @throws {Error} when no broker responds in time, with the last error as its cause. */
export async function connectLog(options: LogOptions): Promise<Log> {
  const { brokers, clientId, logger, metrics, security = {}, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
  const { writeTimeoutMs = 30_000, fencing } = options;
  const onRequest = (request: string) => metrics?.brokerRequests.inc({ request });
  const cluster = new Cluster(brokers, new ConnectionOptions({ clientId, security, logger, onRequest }));
  const sender = new Sender(cluster);
  const consumers = new Set<Consumer>();
  const loops = new WatchLoops(cluster);
  const closing = new AbortController();
  const { signal } = closing;
  const offsetRanges = new OffsetRanges(cluster, signal);
  const what = `connecting to ${brokers.join(", ")}`;
  const onRetry = warnOnce(logger);
  await retryRequest({ what, timeoutMs: connectTimeoutMs, signal, onRetry }, () => cluster.refresh());

  const partitionCount = (topic: string): Promise<number> =>
    retryRequest({ what: `finding topic ${topic}`, timeoutMs: CONNECT_TIMEOUT_MS, signal }, () =>
      cluster.partitionCount(topic),
    );

  return {
    async openWriter(name, partitions) {
      const ownFence = await fence(cluster, name, partitions, signal);
      const useTransactions = (fencing ?? (cluster.isRedpanda ? "transactions" : "epochs")) === "transactions";
      const Writer = useTransactions ? TransactionalWriter : EpochWriter;
      return new Writer(name, { cluster, sender, logger, timeoutMs: writeTimeoutMs }, ownFence, partitions);
    },
    read: (topicPartition, from, to) => readRange(cluster, topicPartition, from, to, signal),
    async offsets(topic) {
      const partitions = partitionsOf(topic, await partitionCount(topic));
      const ranges = await offsetRanges.read(partitions);
      return new Map(partitions.map((each) => [each.partition, ranges.get(partitionKey(each))!]));
    },
    async committedOffsets(group, topic) {
      const partitions = partitionsOf(topic, await partitionCount(topic));
      const starts = await startOffsets(cluster, group, partitions, signal);
      return new Map(partitions.map((each) => [each.partition, starts.get(partitionKey(each))!.start]));
    },
    topicConfig: (topic) => topicConfig(cluster, topic, signal),
    topicIds: (topics) =>
      retryRequest({ what: "reading the identities of topics", timeoutMs: CONNECT_TIMEOUT_MS, signal }, () =>
        cluster.topicIds(topics),
      ),
    partitionCount,
    async consume(consumeOptions) {
      const consumer = startConsumer(consumeOptions, { cluster, logger });
      consumers.add(consumer);
      return consumer;
    },
    watch: (watchOptions) => startWatcher(watchOptions, { cluster, loops, logger, signal }),
    ensureTopics: (topics, layout) => ensureTopics(cluster, topics, layout, signal),
    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.close()));
      closing.abort(new Error("the log is closed"));
      sender.close();
      cluster.close();
    },
  };
}

/**
 * Warns of the first error after three seconds. A wrong password or certificate is retried too, because a starting
 * broker rejects every client for a while. The warning shows the reason before the time limit.
 */
function warnOnce(logger: Logger): (error: unknown) => void {
  const startedMs = performance.now();
  let warned = false;
  return (error) => {
    if (warned || performance.now() - startedMs < WARN_AFTER_MS) return;
    warned = true;
    logger.warn({ err: error }, "cannot connect to the brokers yet; retrying");
  };
}
