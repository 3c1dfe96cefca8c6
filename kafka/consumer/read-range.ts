/** Reads a range of one partition, straight from its leader. */
import { partitionKey, type StoredRecord, type TopicPartition } from "../log.ts";
import { offsetRanges } from "../offsets.ts";
import { offsetAfter } from "../record-batch/decode.ts";
import { NoBrokerError, throwOnError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import type { Connection } from "../wire/connection.ts";
import { retryRequest } from "../wire/retry-request.ts";
import { decodeRecords, type FetchedPartition, fetchFrom } from "./fetch.ts";

const OFFSET_OUT_OF_RANGE = 1;
const WITHIN_MS = 30_000;
const BYTES = 1_048_576;

/**
 * Yields the records from `from` to `to` in order, in batches that are never empty. Ends when everything before `to` was
 * seen, also when compaction, retention or markers left nothing there.
 *
 * @throws {Error} when the partition does not reach `to` within 30 seconds: ending early would look like having read it all.
 */
export async function* readRange(
  cluster: Cluster,
  topicPartition: TopicPartition,
  from: number,
  to: number,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredRecord[]> {
  let wire: Connection | undefined;
  const connect = async () => {
    const leader = await cluster.leader(topicPartition);
    if (wire?.node !== leader) {
      wire?.close();
      wire = cluster.dedicatedConnection(leader);
    }
    return wire!;
  };
  const what = `reading ${partitionKey(topicPartition)} from ${from} to ${to}`;
  const options = { what, timeoutMs: WITHIN_MS, signal, beforeRetry: () => cluster.refresh() };
  try {
    for (let next = from; next < to; ) {
      const offset = next;
      const fetched = await retryRequest(options, async () => fetchSome(await connect(), topicPartition, offset));
      if (fetched.errorCode === OFFSET_OUT_OF_RANGE) {
        next = await retryRequest(options, () => logStartAfter(cluster, topicPartition, offset, signal));
        continue;
      }
      const records = decodeRecords(fetched, to);
      if (records.length > 0) yield records;
      next = offsetAfter(fetched.bytes)!;
    }
  } finally {
    wire?.close();
  }
}

/** @throws {NoBrokerError} when there is nothing there yet, or this broker does not know it yet. */
async function fetchSome(
  wire: Connection,
  topicPartition: TopicPartition,
  fetchOffset: number,
): Promise<FetchedPartition> {
  const limits = { maxWaitMs: 100, maxBytes: BYTES };
  const [fetched] = await fetchFrom(wire, [{ ...topicPartition, fetchOffset, maxBytes: BYTES }], limits);
  if (fetched?.errorCode === OFFSET_OUT_OF_RANGE) return fetched;
  throwOnError(fetched?.errorCode ?? 0, `fetch from ${partitionKey(topicPartition)}`);
  if (!fetched || offsetAfter(fetched.bytes) === undefined)
    throw new NoBrokerError(`${partitionKey(topicPartition)} ends at ${fetchOffset}`);
  return fetched;
}

/** Where the log begins now, if that is after `offset`. */
async function logStartAfter(
  cluster: Cluster,
  topicPartition: TopicPartition,
  offset: number,
  signal: AbortSignal,
): Promise<number> {
  const { first, next } = (await offsetRanges(cluster, [topicPartition], signal)).get(partitionKey(topicPartition))!;
  // Else the broker that refused the offset was behind, or the partition was made anew and is shorter.
  if (first <= offset) throw new NoBrokerError(`${partitionKey(topicPartition)} goes from ${first} to ${next} only`);
  return first;
}
