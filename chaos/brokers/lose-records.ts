/** Loses what the log has: whole topics, or records. */
import { type Admin, ConfigResourceTypes, Kafka, logLevel } from "kafkajs";

async function withAdmin<T>(brokers: readonly string[], work: (admin: Admin) => Promise<T>): Promise<T> {
  const kafka = new Kafka({ brokers: [...brokers], clientId: "chaos", logLevel: logLevel.NOTHING });
  const admin = kafka.admin({ retry: { retries: 3 } });
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Deletes a topic with all its records. @throws {KafkaJSError} when there is none, or no broker responds. */
export const deleteTopic = (brokers: readonly string[], topic: string): Promise<void> =>
  withAdmin(brokers, (admin) => admin.deleteTopics({ topics: [topic] }));

/**
 * Deletes all records that each partition of a topic has now. Kafka accepts this only for topics with the policy
 * `delete`, so a compacted topic has both policies meanwhile.
 *
 * @throws {KafkaJSError} when there is no such topic, or no broker responds.
 */
export const deleteRecords = (brokers: readonly string[], topic: string): Promise<void> =>
  withAdmin(brokers, async (admin) => {
    const config = await configOf(admin, topic);
    const offsets = await admin.fetchTopicOffsets(topic);
    const partitions = offsets.map(({ partition, high }) => ({ partition, offset: high }));
    await setConfig(admin, topic, { ...config, "cleanup.policy": "compact,delete" });
    try {
      await admin.deleteTopicRecords({ topic, partitions });
    } finally {
      await setConfig(admin, topic, config);
    }
  });

/** Origin of a setting that belongs to the topic itself. @see https://kafka.apache.org/protocol (DescribeConfigs) */
const DYNAMIC_TOPIC_CONFIG = 1;

/** The settings of a topic itself, without the broker's defaults. */
async function configOf(admin: Admin, topic: string): Promise<Record<string, string>> {
  const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic }];
  const { resources: described } = await admin.describeConfigs({ resources, includeSynonyms: false });
  const entries = described[0]?.configEntries.filter(({ configSource }) => configSource === DYNAMIC_TOPIC_CONFIG) ?? [];
  return Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue]));
}

/** Replaces all settings of a topic. */
async function setConfig(admin: Admin, topic: string, config: Readonly<Record<string, string>>): Promise<void> {
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
  });
}
