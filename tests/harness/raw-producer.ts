/** A producer that is none of ours, to put into a topic what our own code never would. */
import { Kafka, logLevel, Partitioners } from "kafkajs";

export interface RawMessage {
  readonly key: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers?: Record<string, string | Buffer>;
  readonly partition?: number;
}

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
    // Few at a time: large ones that fall into one partition must not make a batch that the broker refuses as a whole.
    for (let i = 0; i < messages.length; i += 20) await producer.send({ topic, messages: messages.slice(i, i + 20) });
  } finally {
    await producer.disconnect();
  }
}
