/** One question for records, to the leader of some partitions. */
import type { StoredRecord, TopicPartition } from "../log.ts";
import { decodeBatches } from "../record-batch/decode.ts";
import { throwOnError } from "../wire/broker-errors.ts";
import type { Connection } from "../wire/connection.ts";
import { type FetchPartition, type FetchResponse, fetchRequest } from "../wire/protocol.ts";

/** What one partition answered. `bytes` holds whole batches, which may begin before the offset asked for; none with an error. */
export interface FetchedPartition extends TopicPartition {
  readonly errorCode: number;
  readonly fetchOffset: number;
  readonly highWatermark: number;
  readonly abortedTransactions: FetchResponse["abortedTransactions"];
  readonly bytes: Buffer;
}

/**
 * Fetches from each partition; waits up to `maxWaitMs` while none has anything.
 *
 * @throws a connection error when the answer is lost, {@link BrokerError} when the whole request is refused.
 */
export async function fetchFrom(
  wire: Connection,
  parts: readonly FetchPartition[],
  limits: { maxWaitMs: number; maxBytes: number },
): Promise<readonly FetchedPartition[]> {
  const answer = await wire.send(fetchRequest(parts, limits));
  throwOnError(answer.errorCode, `fetch from broker ${wire.node.id}`);
  const asked = new Map(parts.map((part) => [`${part.topic}/${part.partition}`, part.fetchOffset]));
  return answer.parts.map((part) => ({ ...part, fetchOffset: asked.get(`${part.topic}/${part.partition}`) ?? 0 }));
}

/**
 * The data records of a fetch, from the offset asked for to `to` (exclusive): no markers, nothing of aborted transactions.
 *
 * @throws {UnreadableBatchError}
 */
export function decodeRecords(fetched: FetchedPartition, to = Number.POSITIVE_INFINITY): StoredRecord[] {
  const records: StoredRecord[] = [];
  // An aborted transaction reaches from its first record to its producer's next abort marker.
  const coming = fetched.abortedTransactions.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const aborted = new Set<bigint>();
  for (const batch of decodeBatches(fetched.bytes, fetched)) {
    while (coming[0] && coming[0].firstOffset < batch.nextOffset) aborted.add(coming.shift()!.producerId);
    if (batch.isAbort) aborted.delete(batch.producerId);
    if (batch.isControl || (batch.isTransactional && aborted.has(batch.producerId))) continue;
    for (const record of batch.records)
      if (record.offset >= fetched.fetchOffset && record.offset < to) records.push(record);
  }
  return records;
}
