/** The log seam over kafkajs: its connections, authentication and codecs; the rules that keep a write from being lost are ours. */
import type { KafkaConfig } from "kafkajs";
import { createLogger } from "kafkajs/src/loggers/index.js";
import type { Logger } from "../observability/logger.ts";
import { startOffsets } from "./consumer/commits.ts";
import { startConsumer } from "./consumer/consumer.ts";
import { readRange } from "./consumer/read-range.ts";
import { startWatcher } from "./consumer/watcher.ts";
import type { Consumer, Log } from "./log.ts";
import { offsetRanges } from "./offsets.ts";
import { ensureTopics, topicConfig } from "./topics.ts";
import { Cluster } from "./wire/cluster.ts";
import { kafkajsLogging } from "./wire/logging.ts";
import { retryRequest } from "./wire/retry-request.ts";
import { EpochWriter } from "./writer/epoch-writer.ts";
import { fence } from "./writer/fence.ts";
import { Sender } from "./writer/sender.ts";
import { TransactionalWriter } from "./writer/transactional-writer.ts";

export interface LogOptions {
  /** host:port each. */
  readonly brokers: readonly string[];
  /** Names this process to the brokers, for their logs and quotas. */
  readonly clientId: string;
  readonly logger: Logger;
  /** TLS and SASL, as kafkajs takes them. */
  readonly security?: Pick<KafkaConfig, "ssl" | "sasl">;
  /** How long brokers are tried to be reached at the start. Default 20,000 ms. */
  readonly connectTimeoutMs?: number;
  /** How long one batch is tried before its outcome counts as unknown and its writer is dead. Default 30,000 ms. */
  readonly writeTimeoutMs?: number;
  /**
   * How writers are kept from each other. `epochs` needs brokers that refuse an older epoch of a producer id in every batch,
   * as Apache Kafka does; `transactions` works on any that have transactions, and is slower. Default: what fits the brokers.
   */
  readonly fencing?: "epochs" | "transactions";
}

const CONNECT_WITHIN_MS = 20_000;
/** Brokers that start together with us need a moment, which is worth no line. */
const QUIET_MS = 3_000;

/** @throws {Error} when no broker answers in time, with what the last one said. */
export async function connectLog({
  brokers,
  clientId,
  logger,
  security = {},
  connectTimeoutMs = CONNECT_WITHIN_MS,
  writeTimeoutMs = 30_000,
  fencing,
}: LogOptions): Promise<Log> {
  const settings = { clientId, security, logger: createLogger(kafkajsLogging(logger)), timedOutAtMs: new Map() };
  const consumers = new Set<Consumer>();
  const cluster = new Cluster(brokers, settings);
  const sender = new Sender(cluster);
  const closing = new AbortController();
  const { signal } = closing;
  const what = `connecting to ${brokers.join(", ")}`;
  await retryRequest({ what, timeoutMs: connectTimeoutMs, signal, onRetry: warnOnce(logger) }, () => cluster.refresh());

  return {
    async openWriter(name, partitions) {
      const held = await fence(cluster, name, partitions, signal);
      const Writer =
        (fencing ?? (cluster.isRedpanda ? "transactions" : "epochs")) === "epochs" ? EpochWriter : TransactionalWriter;
      return new Writer(name, { cluster, sender, logger, timeoutMs: writeTimeoutMs }, held, partitions);
    },
    read: (topicPartition, from, to) => readRange(cluster, topicPartition, from, to, signal),
    async offsets(topic) {
      const count = await retryRequest({ what: `finding ${topic}`, timeoutMs: CONNECT_WITHIN_MS, signal }, () =>
        cluster.partitions(topic),
      );
      const partitions = Array.from({ length: count }, (_, partition) => ({ topic, partition }));
      const bounds = await offsetRanges(cluster, partitions, signal);
      return new Map(
        partitions.map((topicPartition) => [
          topicPartition.partition,
          bounds.get(`${topic}/${topicPartition.partition}`)!,
        ]),
      );
    },
    topicConfig: (topic) => topicConfig(cluster, topic, signal),
    async committedOffsets(group, topic) {
      const count = await retryRequest({ what: `finding ${topic}`, timeoutMs: CONNECT_WITHIN_MS, signal }, () =>
        cluster.partitions(topic),
      );
      const partitions = Array.from({ length: count }, (_, partition) => ({ topic, partition }));
      const starts = await startOffsets(cluster, group, partitions, signal);
      return new Map(
        partitions.map((topicPartition) => [
          topicPartition.partition,
          starts.get(`${topic}/${topicPartition.partition}`)!.start,
        ]),
      );
    },
    partitions: (topic) =>
      retryRequest({ what: `finding ${topic}`, timeoutMs: CONNECT_WITHIN_MS, signal }, () => cluster.partitions(topic)),
    async consume(options) {
      const consumer = startConsumer(options, { cluster, logger });
      consumers.add(consumer);
      return consumer;
    },
    watch: (options) => startWatcher(options, { cluster, logger, signal }),
    ensureTopics: (topics, shape) => ensureTopics(cluster, topics, shape, signal),
    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.close()));
      closing.abort(new Error("the log is closed"));
      sender.close();
      cluster.close();
    },
  };
}

/**
 * A refused password or certificate is tried again like anything else: a broker that starts refuses everybody for a while. But whoever
 * looks should not have to wait for the end of it to see why.
 */
function warnOnce(logger: Logger): (error: unknown) => void {
  const begun = performance.now();
  let said = false;
  return (error) => {
    if (said || performance.now() - begun < QUIET_MS) return;
    said = true;
    logger.warn({ err: error }, "the brokers are not reached yet; trying again");
  };
}
