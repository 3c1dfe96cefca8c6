/** Asks partition leaders for the first and the next offset. */
import { type OffsetRange, partitionKey, type TopicPartition } from "./log.ts";
import { BrokerError } from "./wire/broker-errors.ts";
import type { Cluster } from "./wire/cluster.ts";
import { byTopic, READ_COMMITTED } from "./wire/protocol.ts";
import { retryRequest } from "./wire/retry-request.ts";

/** ListOffsets' special timestamps. */
const EARLIEST_TIMESTAMP = -2;
const LATEST_TIMESTAMP = -1;
const TIMEOUT_MS = 15_000;

/**
 * Returns the offset range of each partition, by `partitionKey`. Retries while a partition has no leader.
 *
 * @throws {Error} after 15 seconds.
 */
export async function offsetRanges(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, OffsetRange>> {
  const [first, next] = await Promise.all([
    listOffsets(cluster, partitions, EARLIEST_TIMESTAMP, signal),
    listOffsets(cluster, partitions, LATEST_TIMESTAMP, signal),
  ]);
  // The first offset may move between the two requests. `first` is never above `next`.
  return new Map([...next].map(([key, end]) => [key, { first: Math.min(first.get(key) ?? 0, end), next: end }]));
}

/** Returns the offset that the next record gets, by `partitionKey`. @throws {Error} after 15 seconds. */
export const endOffsets = (cluster: Cluster, partitions: readonly TopicPartition[], signal?: AbortSignal) =>
  listOffsets(cluster, partitions, LATEST_TIMESTAMP, signal);

/**
 * Returns the first offset whose record has this timestamp or a later one, by `partitionKey`; -1 where there is none.
 *
 * @param sinceMs milliseconds since 1970.
 * @throws {Error} after 15 seconds.
 */
export const offsetsSince = (
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  sinceMs: number,
  signal?: AbortSignal,
) => listOffsets(cluster, partitions, sinceMs, signal);

async function listOffsets(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  timestamp: number,
  signal?: AbortSignal,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const options = {
    what: `listing the offsets of ${partitions.length} partitions`,
    timeoutMs: TIMEOUT_MS,
    beforeRetry: () => cluster.refresh(),
    signal,
  };
  await retryRequest(options, async () => {
    const missing = partitions.filter((each) => !found.has(partitionKey(each)));
    const leaders = await Promise.all(
      missing.map(async (each) => ({ ...each, leaderId: (await cluster.leader(each)).id })),
    );
    const byLeader = [...Map.groupBy(leaders, ({ leaderId }) => leaderId)];
    await Promise.all(byLeader.map(([leaderId, group]) => requestOffsets(cluster, leaderId, group, timestamp, found)));
  });
  return found;
}

/**
 * Adds the offsets of one leader's partitions to `found`.
 *
 * @throws {BrokerError} after adding those without an error.
 */
async function requestOffsets(
  cluster: Cluster,
  leaderId: number,
  partitions: readonly TopicPartition[],
  timestamp: number,
  found: Map<string, number>,
): Promise<void> {
  const topics = byTopic(partitions, ({ partition }) => ({ partition, timestamp }));
  const { responses } = await cluster
    .connection(leaderId)
    .request("ListOffsets", { replicaId: -1, isolationLevel: READ_COMMITTED, topics });
  let failure: BrokerError | undefined;
  for (const { topic, partitions: results } of responses)
    for (const { partition, errorCode, offset } of results) {
      if (errorCode === 0) found.set(partitionKey({ topic, partition }), Number(offset));
      else failure = new BrokerError(errorCode, `listing the offsets of ${topic}/${partition}`);
    }
  if (failure) throw failure;
}
