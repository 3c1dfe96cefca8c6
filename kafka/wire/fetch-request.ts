/** The Fetch request, version 11: returns record batches as bytes. record-batch/decode.ts reads them. */
import Decoder from "kafkajs/src/protocol/decoder.js";
import { type Protocol, requests } from "kafkajs/src/protocol/requests/index.js";
import type { TopicPartition } from "../log.ts";
import { byTopic, keepErrorCodes, type PartitionResult, READ_COMMITTED } from "./protocol.ts";

/** Where to fetch from in one partition. */
export interface FetchPartition extends TopicPartition {
  readonly fetchOffset: number;
  /** A batch that is larger is still returned if it is the first one of the response. */
  readonly maxBytes: number;
}

/** The broker's result for one partition. */
export interface FetchResponse extends PartitionResult {
  readonly topic: string;
  readonly highWatermark: number;
  /** Aborted transactions. Their records in `bytes` do not count. */
  readonly abortedTransactions: readonly { producerId: bigint; firstOffset: number }[];
  readonly bytes: Buffer;
}

/** Limits of one fetch: how long the broker waits for the first record, and the size of the response. */
export interface FetchLimits {
  readonly maxWaitMs: number;
  readonly maxBytes: number;
}

/** Builds a request for everything before the first open transaction. */
export function fetchRequest(
  partitions: readonly FetchPartition[],
  limits: FetchLimits,
): Protocol<{ errorCode: number; partitions: readonly FetchResponse[] }> {
  const protocol = requests.Fetch!.protocol({ version: 11 })({
    maxWaitTime: limits.maxWaitMs,
    minBytes: 1,
    maxBytes: limits.maxBytes,
    isolationLevel: READ_COMMITTED,
    topics: byTopic(partitions, (each) => each),
  });
  return { ...protocol, response: { decode, parse: keepErrorCodes } };
}

async function decode(body: Buffer): Promise<{ errorCode: number; partitions: readonly FetchResponse[] }> {
  const decoder = new Decoder(body);
  decoder.readInt32(); // throttle time
  const errorCode = decoder.readInt16();
  decoder.readInt32(); // session id
  const topics = decoder.readArray((topicDecoder) => {
    const topic = topicDecoder.readString();
    return topicDecoder.readArray((partitionDecoder) => decodePartition(topic, partitionDecoder));
  });
  return { errorCode, partitions: topics.flat() };
}

function decodePartition(topic: string, decoder: Decoder): FetchResponse {
  const partition = decoder.readInt32();
  const errorCode = decoder.readInt16();
  const highWatermark = Number(decoder.readInt64());
  decoder.readInt64(); // last stable offset
  decoder.readInt64(); // log start offset
  const abortedTransactions = decoder.readArray((d) => ({
    producerId: d.readInt64(),
    firstOffset: Number(d.readInt64()),
  }));
  decoder.readInt32(); // preferred read replica
  const bytes = decoder.readBytes() ?? Buffer.alloc(0);
  return { topic, partition, errorCode, highWatermark, abortedTransactions, bytes };
}
