/** A kafkajs producer, to write records that Lockstep itself never writes. */
import { Kafka, logLevel, Partitioners } from "kafkajs";

/** A record. Without `partition`, its key decides. */
export interface RawMessage {
  readonly key: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers?: Record<string, string | Buffer>;
  readonly partition?: number;
}

/**
 * Writes records to a topic.
 *
 * @param options.batchSize records in one request, 20 by default: a batch of large records in one partition could
 * exceed the broker's limit.
 * @throws {KafkaJSError} when the broker rejects them. Some may be stored then.
 */
export async function produceRaw(
  brokers: readonly string[],
  topic: string,
  messages: readonly RawMessage[],
  { batchSize = 20 }: { readonly batchSize?: number } = {},
): Promise<void> {
  const kafka = new Kafka({ brokers: [...brokers], clientId: "chaos", logLevel: logLevel.NOTHING });
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
  });
  await producer.connect();
  try {
    for (let i = 0; i < messages.length; i += batchSize)
      await producer.send({ topic, messages: messages.slice(i, i + batchSize) });
  } finally {
    await producer.disconnect();
  }
}
