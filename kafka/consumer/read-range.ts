/** Reads a range of one partition, straight from its leader. */
import { nameOf, type StoredRecord, type TopicPartition } from "../log.ts";
import { offsetRanges } from "../offsets.ts";
import { offsetAfter } from "../record-batch/decode.ts";
import { NoBrokerError, throwOnError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import type { Connection } from "../wire/connection.ts";
import { patiently } from "../wire/patience.ts";
import { type Fetched, fetchFrom, recordsOf } from "./fetch.ts";

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
  at: TopicPartition,
  from: number,
  to: number,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredRecord[]> {
  let wire: Connection | undefined;
  const connect = async () => {
    const leader = await cluster.leader(at);
    if (wire?.node !== leader) {
      wire?.close();
      wire = cluster.dedicatedConnection(leader);
    }
    return wire!;
  };
  const what = `reading ${nameOf(at)} from ${from} to ${to}`;
  const patience = { what, timeoutMs: WITHIN_MS, signal, between: () => cluster.refresh() };
  try {
    for (let next = from; next < to; ) {
      const offset = next;
      const fetched = await patiently(patience, async () => fetchSome(await connect(), at, offset));
      if (fetched.errorCode === OFFSET_OUT_OF_RANGE) {
        next = await patiently(patience, () => logStartAfter(cluster, at, offset, signal));
        continue;
      }
      const records = recordsOf(fetched, to);
      if (records.length > 0) yield records;
      next = offsetAfter(fetched.bytes)!;
    }
  } finally {
    wire?.close();
  }
}

/** @throws {NoBrokerError} when there is nothing there yet, or this broker does not know it yet. */
async function fetchSome(wire: Connection, at: TopicPartition, fetchOffset: number): Promise<Fetched> {
  const limits = { maxWaitMs: 100, maxBytes: BYTES };
  const [fetched] = await fetchFrom(wire, [{ ...at, fetchOffset, maxBytes: BYTES }], limits);
  if (fetched?.errorCode === OFFSET_OUT_OF_RANGE) return fetched;
  throwOnError(fetched?.errorCode ?? 0, `fetch from ${nameOf(at)}`);
  if (!fetched || offsetAfter(fetched.bytes) === undefined)
    throw new NoBrokerError(`${nameOf(at)} ends at ${fetchOffset}`);
  return fetched;
}

/** Where the log begins now, if that is after `offset`. */
async function logStartAfter(
  cluster: Cluster,
  at: TopicPartition,
  offset: number,
  signal: AbortSignal,
): Promise<number> {
  const { first, next } = (await offsetRanges(cluster, [at], signal)).get(nameOf(at))!;
  // Else the broker that refused the offset was behind, or the partition was made anew and is shorter.
  if (first <= offset) throw new NoBrokerError(`${nameOf(at)} goes from ${first} to ${next} only`);
  return first;
}
