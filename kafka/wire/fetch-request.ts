/** The Fetch request, version 11: returns record batches as bytes. record-batch/decode.ts reads them. */
import apiKeys from "kafkajs/src/protocol/requests/apiKeys.js";
import type { TopicPartition } from "../log.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter, stringSize } from "./byte-writer.ts";
import { byTopic, type PartitionResult, type Protocol, READ_COMMITTED } from "./protocol.ts";

/** What this client does not use: the id of a follower, a fetch session (KIP-227), leader epochs (KIP-320). */
const NONE = -1;
const NO_SESSION = 0;

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

/** The response for all partitions. */
export interface FetchResponses {
  /** The broker rejects the whole request. */
  readonly errorCode: number;
  readonly partitions: readonly FetchResponse[];
}

/** Builds a request for everything before the first open transaction. */
export function fetchRequest(partitions: readonly FetchPartition[], limits: FetchLimits): Protocol<FetchResponses> {
  return {
    request: {
      apiKey: apiKeys.Fetch!,
      apiVersion: 11,
      apiName: "Fetch",
      encode: (headerBytes) => encode(partitions, limits, headerBytes),
    },
    response: { decode },
  };
}

function encode(partitions: readonly FetchPartition[], limits: FetchLimits, headerBytes: number): Buffer {
  const topics = byTopic(partitions, (each) => each);
  let size = headerBytes + 35;
  for (const { topic, partitions } of topics) size += stringSize(topic) + 4 + 28 * partitions.length;
  const writer = new ByteWriter(size, headerBytes)
    .int32(NONE) // replica id
    .int32(limits.maxWaitMs)
    .int32(1) // minimum bytes
    .int32(limits.maxBytes)
    .int8(READ_COMMITTED)
    .int32(NO_SESSION)
    .int32(NONE) // session epoch
    .int32(topics.length);
  for (const { topic, partitions } of topics) {
    writer.string(topic).int32(partitions.length);
    for (const { partition, fetchOffset, maxBytes } of partitions)
      writer
        .int32(partition)
        .int32(NONE) // leader epoch
        .int64(fetchOffset)
        .int32(NONE) // log start offset of a follower, in eight bytes
        .int32(NONE)
        .int32(maxBytes);
  }
  return writer
    .int32(0) // partitions to remove from the session
    .string("").bytes; // rack
}

function decode(body: Buffer): FetchResponses {
  const reader = new ByteReader(body);
  reader.skip(4); // throttle time
  const errorCode = reader.int16();
  reader.skip(4); // session id
  const partitions: FetchResponse[] = [];
  for (let topics = reader.int32(); topics > 0; topics--) {
    const topic = reader.string();
    for (let left = reader.int32(); left > 0; left--) partitions.push(decodePartition(topic, reader));
  }
  return { errorCode, partitions };
}

function decodePartition(topic: string, reader: ByteReader): FetchResponse {
  const partition = reader.int32();
  const errorCode = reader.int16();
  const highWatermark = reader.int64();
  reader.skip(16); // last stable offset, log start offset
  const abortedTransactions = reader.list(() => ({ producerId: reader.bigint64(), firstOffset: reader.int64() }));
  reader.skip(4); // preferred read replica
  return { topic, partition, errorCode, highWatermark, abortedTransactions, bytes: reader.bytes() };
}
