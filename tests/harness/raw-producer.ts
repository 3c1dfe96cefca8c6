/** A kafkajs producer, to write records that Lockstep itself never writes. */
import { Kafka, logLevel, Partitioners } from "kafkajs";

/** A record. Without `partition`, its key decides. */
export interface RawMessage {
  readonly key: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers?: Record<string, string | Buffer>;
  readonly partition?: number;
}

/** Writes records to a topic. @throws {KafkaJSError} when the broker rejects them. */
export async function produceRaw(
  brokers: readonly string[],
  topic: string,
  messages: readonly RawMessage[],
): Promise<void> {
  const kafka = new Kafka({ brokers: [...brokers], clientId: "test", logLevel: logLevel.NOTHING });
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
  });
  await producer.connect();
  try {
    // 20 at a time: a batch of large records in one partition could exceed the broker's limit.
    for (let i = 0; i < messages.length; i += 20) await producer.send({ topic, messages: messages.slice(i, i + 20) });
  } finally {
    await producer.disconnect();
  }
}
