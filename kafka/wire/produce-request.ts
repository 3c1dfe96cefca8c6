/**
 * The Produce request, version 7: sends encoded batches unchanged. kafkajs' own codec would encode the records again.
 */
import Decoder from "kafkajs/src/protocol/decoder.js";
import Encoder from "kafkajs/src/protocol/encoder.js";
import apiKeys from "kafkajs/src/protocol/requests/apiKeys.js";
import type { Protocol } from "kafkajs/src/protocol/requests/index.js";
import type { TopicPartition } from "../log.ts";
import { byTopic, keepErrorCodes, type PartitionResult } from "./protocol.ts";

/** One encoded batch for one partition. */
export interface ProducePartition extends TopicPartition {
  readonly batch: Buffer;
  /** The transaction that the batch belongs to, or null for a batch outside transactions. */
  readonly transactionalId: string | null;
}

/** The broker's result for one batch. */
export interface ProduceResponse extends PartitionResult {
  readonly topic: string;
  /** Offset of the batch's first record, or -1 with an error. */
  readonly baseOffset: number;
}

/**
 * Builds a request that all in-sync replicas must acknowledge.
 *
 * @param batches of different partitions and of the same transactional id.
 * @param timeoutMs how long the broker waits for its replicas, in milliseconds.
 */
export function produceRequest(
  batches: readonly ProducePartition[],
  timeoutMs: number,
): Protocol<readonly ProduceResponse[]> {
  return {
    request: {
      apiKey: apiKeys.Produce!,
      apiVersion: 7,
      apiName: "Produce",
      encode: async () => encode(batches, timeoutMs),
    },
    response: { decode, parse: keepErrorCodes },
    logResponseError: false,
  };
}

function encode(batches: readonly ProducePartition[], timeoutMs: number): Encoder {
  const topics = byTopic(batches, (each) => each);
  const body = new Encoder()
    .writeString(batches[0]?.transactionalId ?? null)
    .writeInt16(-1) // acks: all in-sync replicas
    .writeInt32(timeoutMs)
    .writeInt32(topics.length);
  for (const { topic, partitions } of topics) {
    body.writeString(topic).writeInt32(partitions.length);
    // Not writeBytes: it would allocate memory for the whole batch first.
    for (const { partition, batch } of partitions)
      body.writeInt32(partition).writeInt32(batch.length).writeBuffer(batch);
  }
  return body;
}

async function decode(body: Buffer): Promise<ProduceResponse[]> {
  const topics = new Decoder(body).readArray((topicDecoder) => {
    const topic = topicDecoder.readString();
    return topicDecoder.readArray((d) => {
      const result = { topic, partition: d.readInt32(), errorCode: d.readInt16(), baseOffset: Number(d.readInt64()) };
      d.readInt64(); // log append time
      d.readInt64(); // log start offset
      return result;
    });
  });
  return topics.flat();
}
