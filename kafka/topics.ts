/** Makes the topics that are missing. */
import type { Log } from "./log.ts";
import { BrokerError, NoBrokerError, throwOnError } from "./wire/broker-errors.ts";
import type { Cluster } from "./wire/cluster.ts";
import { retryRequest } from "./wire/retry-request.ts";

type Topic = Parameters<Log["ensureTopics"]>[0][number];
type Shape = Parameters<Log["ensureTopics"]>[1];

const WITHIN_MS = 60_000;
const ALREADY_EXISTS = 36;
const UNKNOWN_TOPIC = 3;

/** @throws {Error} when a topic has another number of partitions, the brokers refuse one, or a minute is not enough. */
export async function ensureTopics(
  cluster: Cluster,
  topics: readonly Topic[],
  shape: Shape,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(topics.map((topic) => ensureTopic(cluster, topic, shape, signal)));
}

async function ensureTopic(cluster: Cluster, topic: Topic, shape: Shape, signal: AbortSignal): Promise<void> {
  const options = { what: `making topic ${topic.name}`, timeoutMs: WITHIN_MS, signal, firstDelayMs: 25 };
  await retryRequest(options, async () => {
    if (!(await exists(cluster, topic.name))) await create(cluster, topic, shape);
    // A broker that has just heard of the topic may not know its leaders yet.
    if (!(await cluster.hasAllLeaders(topic.name)))
      throw new NoBrokerError(`not every partition of ${topic.name} has a leader yet`);
    const partitions = await cluster.partitions(topic.name);
    if (partitions !== shape.partitions)
      throw new Error(
        `topic ${topic.name} has ${partitions} partitions, not ${shape.partitions}: set LOCKSTEP_PARTITIONS=${partitions}, or use other topics`,
      );
  });
}

/** The settings of a topic, as its brokers have them now. @throws {Error} when they do not tell within a minute. */
export async function topicConfig(cluster: Cluster, topic: string, signal: AbortSignal): Promise<Map<string, string>> {
  const what = `asking for the settings of ${topic}`;
  return await retryRequest({ what, timeoutMs: WITHIN_MS, signal }, async () => {
    const wire = await cluster.controller();
    const { resources } = await wire.request("DescribeConfigs", {
      resources: [{ type: 2, name: topic, configNames: [] }],
      includeSynonyms: false,
    });
    for (const { errorCode } of resources) throwOnError(errorCode, what);
    const entries = resources.flatMap(({ configEntries }) => configEntries);
    return new Map(
      entries.flatMap(({ configName, configValue }) => (configValue === null ? [] : [[configName, configValue]])),
    );
  });
}

async function exists(cluster: Cluster, topic: string): Promise<boolean> {
  try {
    return (await cluster.partitions(topic)) > 0;
  } catch (error) {
    if (error instanceof BrokerError && error.errorCode === UNKNOWN_TOPIC) return false;
    throw error;
  }
}

async function create(cluster: Cluster, topic: Topic, shape: Shape): Promise<void> {
  const config = {
    // The brokers unpack what other producers pack, so that no reader meets a compression that it does not know.
    "compression.type": "uncompressed",
    "min.insync.replicas": String(shape.minInSyncReplicas),
    ...topic.config,
  };
  const wire = await cluster.controller();
  const { topicErrors } = await wire.request("CreateTopics", {
    topics: [
      {
        topic: topic.name,
        numPartitions: shape.partitions,
        replicationFactor: shape.replicationFactor,
        configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
      },
    ],
    validateOnly: false,
    timeout: 4_000,
  });
  for (const { errorCode, errorMessage } of topicErrors)
    if (errorCode !== 0 && errorCode !== ALREADY_EXISTS)
      throw new BrokerError(errorCode, `making topic ${topic.name}${errorMessage ? ` (${errorMessage})` : ""}`);
}
