/** The group's memory of what is processed, kept by its coordinator. A hint where to go on: it may lag, never lead. */
import { partitionKey, type TopicPartition } from "../log.ts";
import { offsetRanges } from "../offsets.ts";
import { throwOnError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import { byTopic } from "../wire/protocol.ts";
import { retryRequest } from "../wire/retry-request.ts";
import type { Generation } from "./membership.ts";
import type { PartitionQueue } from "./partition-queue.ts";

/**
 * Where to begin each partition: at the committed offset, or at the first record when none is.
 *
 * @throws {Error} when the brokers do not tell within 20 seconds.
 */
export async function startOffsets(
  cluster: Cluster,
  group: string,
  partitions: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, { start: number; committed: number | undefined }>> {
  const what = `reading the offsets of group ${group}`;
  const committed = await retryRequest({ what, timeoutMs: 20_000, signal }, () =>
    cluster.withCoordinator(0, group, async (wire) => {
      const topics = byTopic(partitions, ({ partition }) => ({ partition }));
      const answer = await wire.request("OffsetFetch", { groupId: group, topics });
      throwOnError(answer.errorCode, what);
      return answer.responses.flatMap(({ topic, partitions: of }) =>
        of.map(({ partition, errorCode, offset }) => {
          throwOnError(errorCode, `${what}: ${topic}/${partition}`);
          return { topic, partition, offset: Number(offset) };
        }),
      );
    }),
  );
  const fresh = committed.filter(({ offset }) => offset < 0);
  const bounds = fresh.length > 0 ? await offsetRanges(cluster, fresh, signal) : undefined;
  return new Map(
    committed.map(({ topic, partition, offset }) => {
      const name = partitionKey({ topic, partition });
      const known = offset < 0 ? undefined : offset;
      return [name, { start: known ?? bounds!.get(name)!.first, committed: known }];
    }),
  );
}

/** Commits what these queues have processed since the last time. @throws a connection error or {@link BrokerError}. */
export async function commit(
  cluster: Cluster,
  group: string,
  seat: Generation,
  queues: readonly PartitionQueue[],
): Promise<void> {
  const changed = queues
    .filter(({ processedOffset, committedOffset }) => processedOffset !== committedOffset)
    .map((queue) => ({
      queue,
      topic: queue.topicPartition.topic,
      partition: queue.topicPartition.partition,
      offset: queue.processedOffset,
    }));
  if (changed.length === 0) return;
  await cluster.withCoordinator(0, group, async (wire) => {
    const { responses } = await wire.request("OffsetCommit", {
      groupId: group,
      groupGenerationId: seat.generationId,
      memberId: seat.memberId,
      topics: byTopic(changed, ({ partition, offset }) => ({ partition, offset: String(offset) })),
    });
    for (const { topic, partitions } of responses)
      for (const { partition, errorCode } of partitions) throwOnError(errorCode, `commit of ${topic}/${partition}`);
  });
  for (const { queue, offset } of changed) queue.committedOffset = offset;
}
