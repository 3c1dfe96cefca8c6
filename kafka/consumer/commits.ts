/**
 * Reads and commits the group's offsets at its coordinator. A committed offset says where to continue. It may be older
 * than what is processed, never newer.
 */
import { partitionKey, type TopicPartition } from "../log.ts";
import { offsetRanges } from "../offsets.ts";
import { throwOnError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import { byTopic, coordinatorType } from "../wire/protocol.ts";
import { retryRequest } from "../wire/retry-request.ts";
import type { Generation } from "./membership.ts";
import type { PartitionQueue } from "./partition-queue.ts";

/** Where to start reading a partition. */
export interface StartOffset {
  /** The committed offset, or the partition's first offset without one. */
  readonly start: number;
  readonly committed: number | undefined;
}

/**
 * Returns the start of each partition, by `partitionKey`.
 *
 * @throws {Error} when there is no response within 20 seconds.
 */
export async function startOffsets(
  cluster: Cluster,
  group: string,
  partitions: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, StartOffset>> {
  const committed = await fetchCommitted(cluster, group, partitions, signal);
  const uncommitted = committed.filter(({ offset }) => offset < 0);
  const ranges = uncommitted.length > 0 ? await offsetRanges(cluster, uncommitted, signal) : undefined;
  return new Map(
    committed.map((each) => {
      const key = partitionKey(each);
      const offset = each.offset < 0 ? undefined : each.offset;
      return [key, { start: offset ?? ranges!.get(key)!.first, committed: offset }];
    }),
  );
}

/** Returns the committed offsets; -1 for none. */
async function fetchCommitted(
  cluster: Cluster,
  group: string,
  partitions: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<readonly (TopicPartition & { offset: number })[]> {
  const what = `reading the offsets of group ${group}`;
  return await retryRequest({ what, timeoutMs: 20_000, signal }, () =>
    cluster.withCoordinator(coordinatorType.group, group, async (coordinator) => {
      const topics = byTopic(partitions, ({ partition }) => ({ partition }));
      const response = await coordinator.request("OffsetFetch", { groupId: group, topics });
      throwOnError(response.errorCode, what);
      return response.responses.flatMap(({ topic, partitions: results }) =>
        results.map(({ partition, errorCode, offset }) => {
          throwOnError(errorCode, `${what}: ${topic}/${partition}`);
          return { topic, partition, offset: Number(offset) };
        }),
      );
    }),
  );
}

/**
 * Commits the processed offsets of those queues that changed since their last commit.
 *
 * @throws {Error} a connection error, after which the commit may or may not be stored.
 * @throws {BrokerError} when the coordinator rejects it.
 */
export async function commitOffsets(
  cluster: Cluster,
  group: string,
  { generationId, memberId }: Generation,
  queues: readonly PartitionQueue[],
): Promise<void> {
  const changed = queues
    .filter(({ processedOffset, committedOffset }) => processedOffset !== committedOffset)
    .map((queue) => ({ ...queue.topicPartition, queue, offset: queue.processedOffset }));
  if (changed.length === 0) return;
  await cluster.withCoordinator(coordinatorType.group, group, async (coordinator) => {
    const { responses } = await coordinator.request("OffsetCommit", {
      groupId: group,
      groupGenerationId: generationId,
      memberId,
      topics: byTopic(changed, ({ partition, offset }) => ({ partition, offset: String(offset) })),
    });
    for (const { topic, partitions } of responses)
      for (const { partition, errorCode } of partitions) throwOnError(errorCode, `commit of ${topic}/${partition}`);
  });
  for (const { queue, offset } of changed) queue.committedOffset = offset;
}
