/** Sends one Fetch request to a broker, and turns the response into records. */
import type { StoredRecord, TopicPartition } from "../log.ts";
import { decodeBatches } from "../record-batch/decode.ts";
import { throwOnError } from "../wire/broker-errors.ts";
import type { Connection } from "../wire/connection.ts";
import { type FetchLimits, type FetchPartition, type FetchResponse, fetchRequest } from "../wire/fetch-request.ts";

/** The response for one partition. */
export interface FetchedPartition extends TopicPartition {
  readonly errorCode: number;
  /** The offset in the request. The first batch may begin before it. */
  readonly fetchOffset: number;
  readonly highWatermark: number;
  readonly abortedTransactions: FetchResponse["abortedTransactions"];
  /** Whole batches. Empty with an error. */
  readonly bytes: Buffer;
}

/**
 * Fetches from partitions of one broker. Waits up to `maxWaitMs` while none of them has a record.
 *
 * @returns the responses in the order of `partitions`; undefined for a partition that the broker left out.
 * @throws {Error} a connection error when the response is lost.
 * @throws {BrokerError} when the broker rejects the whole request.
 */
export async function fetchFrom(
  connection: Connection,
  partitions: readonly FetchPartition[],
  limits: FetchLimits,
): Promise<readonly (FetchedPartition | undefined)[]> {
  const response = await connection.send(fetchRequest(partitions, limits));
  throwOnError(response.errorCode, `fetch from broker ${connection.node.id}`);
  return partitions.map((requested, i) => {
    // Brokers respond in the order of the request, grouped by topic.
    const isOfRequested = (each: FetchResponse | undefined) =>
      each?.partition === requested.partition && each.topic === requested.topic;
    const inOrder = response.partitions[i];
    const found = isOfRequested(inOrder) ? inOrder : response.partitions.find(isOfRequested);
    return found && { ...found, fetchOffset: requested.fetchOffset };
  });
}

/**
 * Decodes the records from the fetch offset to `to` (exclusive). Leaves out markers and records of aborted
 * transactions.
 *
 * @throws {UnreadableBatchError}
 */
export function decodeRecords(fetched: FetchedPartition, to = Number.POSITIVE_INFINITY): StoredRecord[] {
  const records: StoredRecord[] = [];
  // An aborted transaction extends from its first record to its producer's next abort marker.
  const upcoming = fetched.abortedTransactions.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const abortedProducers = new Set<bigint>();
  for (const batch of decodeBatches(fetched.bytes, fetched)) {
    while (upcoming[0] && upcoming[0].firstOffset < batch.nextOffset)
      abortedProducers.add(upcoming.shift()!.producerId);
    if (batch.isAbort) abortedProducers.delete(batch.producerId);
    if (batch.isControl || (batch.isTransactional && abortedProducers.has(batch.producerId))) continue;
    for (const record of batch.records)
      if (record.offset >= fetched.fetchOffset && record.offset < to) records.push(record);
  }
  return records;
}
