/** Creates topics and reads their configuration. */
import type { TopicLayout, TopicSpec } from "./log.ts";
import { BrokerError, errorCodes, NoBrokerError, throwOnError } from "./wire/broker-errors.ts";
import type { Cluster } from "./wire/cluster.ts";
import { retryRequest } from "./wire/retry-request.ts";

const TIMEOUT_MS = 60_000;
/** `type` of a topic in DescribeConfigs. */
const TOPIC_RESOURCE = 2;

/**
 * Creates the topics that do not exist, and waits for leaders of all partitions.
 *
 * @throws {Error} when a topic has another number of partitions, a broker rejects a topic, or 60 seconds have passed.
 */
export async function ensureTopics(
  cluster: Cluster,
  topics: readonly TopicSpec[],
  layout: TopicLayout,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(topics.map((topic) => ensureTopic(cluster, topic, layout, signal)));
}

async function ensureTopic(
  cluster: Cluster,
  topic: TopicSpec,
  layout: TopicLayout,
  signal: AbortSignal,
): Promise<void> {
  const options = { what: `creating topic ${topic.name}`, timeoutMs: TIMEOUT_MS, signal, firstDelayMs: 25 };
  await retryRequest(options, async () => {
    if (!(await exists(cluster, topic.name))) await create(cluster, topic, layout);
    // A broker may know a new topic before it knows the leaders.
    if (!(await cluster.hasAllLeaders(topic.name)))
      throw new NoBrokerError(`not every partition of ${topic.name} has a leader yet`);
    const partitions = await cluster.partitionCount(topic.name);
    if (partitions !== layout.partitions)
      throw new Error(
        `topic ${topic.name} has ${partitions} partitions, not ${layout.partitions}: ` +
          `set LOCKSTEP_PARTITIONS=${partitions}, or use other topics`,
      );
  });
}

/**
 * Returns the configuration of a topic, by name.
 *
 * @throws {Error} when the brokers do not return it within 60 seconds.
 */
export async function topicConfig(cluster: Cluster, topic: string, signal: AbortSignal): Promise<Map<string, string>> {
  const what = `reading the configuration of topic ${topic}`;
  return await retryRequest({ what, timeoutMs: TIMEOUT_MS, signal }, async () => {
    const controller = await cluster.controller();
    const { resources } = await controller.request("DescribeConfigs", {
      resources: [{ type: TOPIC_RESOURCE, name: topic, configNames: [] }],
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
    return (await cluster.partitionCount(topic)) > 0;
  } catch (error) {
    if (error instanceof BrokerError && error.errorCode === errorCodes.UNKNOWN_TOPIC_OR_PARTITION) return false;
    throw error;
  }
}

async function create(cluster: Cluster, topic: TopicSpec, layout: TopicLayout): Promise<void> {
  const config = {
    // The brokers decompress what other producers send, so readers need no codec for it.
    "compression.type": "uncompressed",
    "min.insync.replicas": String(layout.minInSyncReplicas),
    ...topic.config,
  };
  const controller = await cluster.controller();
  const { topicErrors } = await controller.request("CreateTopics", {
    topics: [
      {
        topic: topic.name,
        numPartitions: layout.partitions,
        replicationFactor: layout.replicationFactor,
        configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
      },
    ],
    validateOnly: false,
    timeout: 4_000,
  });
  for (const { errorCode, errorMessage } of topicErrors)
    if (errorCode !== 0 && errorCode !== errorCodes.TOPIC_ALREADY_EXISTS)
      throw new BrokerError(errorCode, `creating topic ${topic.name}${errorMessage ? ` (${errorMessage})` : ""}`);
}
