/**
 * The Produce request, version 7: sends encoded batches unchanged. kafkajs' own codec would encode the records again.
 */
import apiKeys from "kafkajs/src/protocol/requests/apiKeys.js";
import type { TopicPartition } from "../log.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter, stringSize } from "./byte-writer.ts";
import { byTopic, type PartitionResult, type Protocol } from "./protocol.ts";

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
      encode: (headerBytes) => encode(batches, timeoutMs, headerBytes),
    },
    response: { decode },
  };
}

function encode(batches: readonly ProducePartition[], timeoutMs: number, headerBytes: number): Buffer {
  const transactionalId = batches[0]?.transactionalId ?? null;
  const topics = byTopic(batches, (each) => each);
  let size = headerBytes + stringSize(transactionalId) + 10;
  for (const { topic, partitions } of topics) {
    size += stringSize(topic) + 4;
    for (const { batch } of partitions) size += 8 + batch.length;
  }
  const writer = new ByteWriter(size, headerBytes)
    .string(transactionalId)
    .int16(-1) // acks: all in-sync replicas
    .int32(timeoutMs)
    .int32(topics.length);
  for (const { topic, partitions } of topics) {
    writer.string(topic).int32(partitions.length);
    for (const { partition, batch } of partitions) writer.int32(partition).content(batch);
  }
  return writer.bytes;
}

function decode(body: Buffer): ProduceResponse[] {
  const results: ProduceResponse[] = [];
  const reader = new ByteReader(body);
  for (let topics = reader.int32(); topics > 0; topics--) {
    const topic = reader.string();
    for (let partitions = reader.int32(); partitions > 0; partitions--) {
      results.push({ topic, partition: reader.int32(), errorCode: reader.int16(), baseOffset: reader.int64() });
      reader.skip(16); // log append time, log start offset
    }
  }
  return results;
}
