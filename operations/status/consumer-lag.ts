/** How far each consumer has read its topic, from its group's committed offsets. */
import type { Control } from "../../contracts/control.ts";
import { replicaKey, STREAM_KEY } from "../../contracts/control.ts";
import type { Project } from "../../contracts/project.ts";
import { eventsTopic, replicaGroup, replicaTopic, streamGroup } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";

/** The lag in one partition. */
export interface PartitionLag {
  readonly partition: number;
  /** The group's committed offset: the offset of the next record that it reads. */
  readonly position: number;
  /** The offset after the partition's last record. */
  readonly end: number;
  /** Records from `position` to `end`. */
  readonly lag: number;
}

/** The lag of one consumer in one topic. */
export interface ConsumerLag {
  /** `stream`, or the replica's name. */
  readonly name: string;
  readonly group: string;
  readonly topic: string;
  /** The control record that paused the consumer. Null: it is not paused. */
  readonly paused: Control | null;
  /** Sum over all partitions, in records. */
  readonly lag: number;
  readonly partitions: readonly PartitionLag[];
}

/**
 * Reads the lag of the stream and of each replica, for each entity.
 *
 * @param controls the newest control record by key.
 * @param missing topics that do not exist. Their consumers are left out.
 * @throws {Error} when the log is unavailable, or a topic that is not in `missing` does not exist.
 */
export function readConsumerLags(
  log: Log,
  { entities }: Pick<Project, "entities">,
  controls: ReadonlyMap<string, Control>,
  missing: readonly string[] = [],
): Promise<ConsumerLag[]> {
  const pauseOf = (key: string) => (controls.get(key)?.paused ? controls.get(key)! : null);
  const consumers = entities.flatMap((entity) => [
    { name: "stream", group: streamGroup(entity), topic: eventsTopic(entity).name, paused: pauseOf(STREAM_KEY) },
    ...entity.replicas.map(({ name }) => ({
      name,
      group: replicaGroup(entity, name),
      topic: replicaTopic(entity, name).name,
      paused: pauseOf(replicaKey(name)),
    })),
  ]);
  return Promise.all(
    consumers.filter(({ topic }) => !missing.includes(topic)).map((consumer) => readLag(log, consumer)),
  );
}

async function readLag(
  log: Log,
  consumer: Pick<ConsumerLag, "name" | "group" | "topic" | "paused">,
): Promise<ConsumerLag> {
  // The committed offsets are read first, so that the end cannot be before them.
  const committed = await log.committedOffsets(consumer.group, consumer.topic);
  const partitions = [...(await log.offsets(consumer.topic))].map(([partition, { next }]) => {
    const position = committed.get(partition) ?? 0;
    return { partition, position, end: next, lag: Math.max(0, next - position) };
  });
  return { ...consumer, lag: partitions.reduce((sum, { lag }) => sum + lag, 0), partitions };
}
