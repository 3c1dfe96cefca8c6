/** Lists the partitions in which the records of a write can be, in the order of its hops. Pure. */
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import { deadLetterTopic, eventsTopic, replicaTopic } from "../../../contracts/topics.ts";
import type { StoredRecord } from "../../../kafka/log.ts";
import { partitionForKey } from "../../../kafka/partitioner.ts";
import { deadLetterHops, findHop, type Hop, publishedHops, routedHops, type TracedWrite } from "./hops.ts";

/** End offset of each partition of each topic. */
export type TopicEnds = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** One partition that a trace reads. */
export interface TracedPartition {
  readonly topic: string;
  readonly partition: number;
  /** Offset of the next record to read. */
  nextOffset: number;
  readonly hopsOf: (record: StoredRecord) => Hop[];
  /** True when no more hops of the write come from the partition. */
  readonly isDone: (write: TracedWrite) => boolean;
}

/** The partitions of a write, starting at `ends`. A poison message is already published and is not routed. */
export function tracedPartitions(write: TracedWrite, entity: EntityDeclaration, ends: TopicEnds): TracedPartition[] {
  const partitionIn = (
    topic: string,
    hopsOf: TracedPartition["hopsOf"],
    isDone: TracedPartition["isDone"],
  ): TracedPartition => {
    const offsets = ends.get(topic)!;
    const partition = write.id === null ? 0 : partitionForKey(write.id, offsets.size);
    return { topic, partition, nextOffset: offsets.get(partition) ?? 0, hopsOf, isDone };
  };
  const has = (kind: Hop["kind"], replica: string | null) => (traced: TracedWrite) =>
    findHop(traced, kind, replica) !== undefined;
  const deadLetters = partitionIn(
    deadLetterTopic(entity).name,
    (record) => deadLetterHops(write, record),
    has("resolved", null),
  );
  if (write.operation === "poison") return [deadLetters];
  return [
    partitionIn(eventsTopic(entity).name, (record) => publishedHops(write, record), has("published", null)),
    ...entity.replicas.map(({ name }) =>
      partitionIn(replicaTopic(entity, name).name, (record) => routedHops(write, name, record), has("routed", name)),
    ),
    deadLetters,
  ];
}
