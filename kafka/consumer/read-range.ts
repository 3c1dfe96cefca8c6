/** Reads a range of offsets from one partition, directly from its leader. */
import { partitionKey, type StoredRecord, type TopicPartition } from "../log.ts";
import { offsetRanges } from "../offsets.ts";
import { offsetAfter } from "../record-batch/decode.ts";
import { errorCodes, NoBrokerError, throwOnError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import type { Connection } from "../wire/connection.ts";
import { retryRequest } from "../wire/retry-request.ts";
import { decodeRecords, type FetchedPartition, fetchFrom } from "./fetch.ts";

const TIMEOUT_MS = 30_000;
const MAX_BYTES = 1_048_576;

/**
 * Yields the records from `from` to `to` (exclusive) in order, in batches that are never empty. Ranges without records,
 * because of compaction, retention or markers, count as read.
 *
 * @throws {Error} when the partition does not reach `to` within 30 seconds. Ending early would look like a complete
 * read.
 */
export async function* readRange(
  cluster: Cluster,
  topicPartition: TopicPartition,
  from: number,
  to: number,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredRecord[]> {
  let connection: Connection | undefined;
  const connectToLeader = async () => {
    const leader = await cluster.leader(topicPartition);
    if (connection?.node !== leader) {
      connection?.close();
      connection = cluster.dedicatedConnection(leader);
    }
    return connection!;
  };
  const what = `reading ${partitionKey(topicPartition)} from ${from} to ${to}`;
  const options = { what, timeoutMs: TIMEOUT_MS, signal, beforeRetry: () => cluster.refresh() };
  try {
    for (let next = from; next < to; ) {
      const offset = next;
      const fetched = await retryRequest(options, async () => fetchAt(await connectToLeader(), topicPartition, offset));
      if (fetched.errorCode === errorCodes.OFFSET_OUT_OF_RANGE) {
        next = await retryRequest(options, () => firstOffsetAfter(cluster, topicPartition, offset, signal));
        continue;
      }
      const records = decodeRecords(fetched, to);
      if (records.length > 0) yield records;
      next = offsetAfter(fetched.bytes)!;
    }
  } finally {
    connection?.close();
  }
}

/** @throws {NoBrokerError} when the offset is not written yet, or this broker does not have it yet. */
async function fetchAt(
  connection: Connection,
  topicPartition: TopicPartition,
  fetchOffset: number,
): Promise<FetchedPartition> {
  const limits = { maxWaitMs: 100, maxBytes: MAX_BYTES };
  const [fetched] = await fetchFrom(connection, [{ ...topicPartition, fetchOffset, maxBytes: MAX_BYTES }], limits);
  if (fetched?.errorCode === errorCodes.OFFSET_OUT_OF_RANGE) return fetched;
  throwOnError(fetched?.errorCode ?? 0, `fetch from ${partitionKey(topicPartition)}`);
  if (!fetched || offsetAfter(fetched.bytes) === undefined)
    throw new NoBrokerError(`${partitionKey(topicPartition)} ends at offset ${fetchOffset}`);
  return fetched;
}

/** Returns the partition's first offset. @throws {NoBrokerError} when that is not after `offset`. */
async function firstOffsetAfter(
  cluster: Cluster,
  topicPartition: TopicPartition,
  offset: number,
  signal: AbortSignal,
): Promise<number> {
  const key = partitionKey(topicPartition);
  const { first, next } = (await offsetRanges(cluster, [topicPartition], signal)).get(key)!;
  // Not higher: the broker that rejected the offset was behind, or the partition was recreated and is shorter.
  if (first <= offset) throw new NoBrokerError(`${key} has offsets ${first} to ${next} only`);
  return first;
}
