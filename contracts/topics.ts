/** Every topic as data: who writes it, who reads it, how it is cleaned up. The diagram in ARCHITECTURE.md says the same; a test compares them. */
import type { EntityDeclaration } from "./entity/declaration.ts";

export interface TopicDeclaration {
  readonly name: string;
  readonly key: string;
  readonly value: string;
  readonly writtenBy: readonly string[];
  readonly readBy: readonly string[];
  /** The broker's settings for the topic. */
  readonly config: Readonly<Record<string, string>>;
}

const day = 24 * 60 * 60 * 1000;

/** Largest message value that the log takes, in bytes; a larger row stays in the outbox and is reported. */
export const MAX_EVENT_BYTES = 900_000;

const compacted = {
  "cleanup.policy": "compact",
  // A replica that was away for less than this still sees every tombstone (P4).
  "delete.retention.ms": String(7 * day),
  "min.compaction.lag.ms": "60000",
  "max.compaction.lag.ms": String(day),
};

export const eventsTopic = (entity: EntityDeclaration): TopicDeclaration => ({
  name: `${entity.plural}.events`,
  key: "entity id",
  value: "the whole entity after the change",
  // Operations: what the stream rejected, replayed.
  writtenBy: ["relay", "operations"],
  readBy: ["stream"],
  config: { "cleanup.policy": "delete", "retention.ms": String(7 * day) },
});

export const replicaTopic = (entity: EntityDeclaration, replica: string): TopicDeclaration => ({
  name: `${entity.plural}.to.${replica}`,
  key: "entity id",
  value: "the replica's projection, null when it is to have none",
  writtenBy: ["stream"],
  readBy: [`replica ${replica}`],
  config: compacted,
});

export const deadLetterTopic = (entity: EntityDeclaration): TopicDeclaration => ({
  name: `${entity.plural}.dead-letter`,
  key: "the original key",
  value: "the original bytes; null for a mark of what was done about one",
  writtenBy: ["stream", "replica", "operations"],
  readBy: ["stream", "replica", "operations"],
  // The largest message that the events topic takes must fit with the reason and stack added to its headers.
  config: { "cleanup.policy": "delete", "retention.ms": String(30 * day), "max.message.bytes": "2097152" },
});

/** The stream's memory: newest version of each entity, so that an instance on another machine knows what was routed. */
export const versionsTopic = (entity: EntityDeclaration): TopicDeclaration => ({
  name: `${entity.plural}.versions`,
  key: "entity id",
  value: "newest version",
  writtenBy: ["stream"],
  readBy: ["stream"],
  config: { "cleanup.policy": "compact", "min.compaction.lag.ms": "60000", "max.compaction.lag.ms": String(day) },
});

/**
 * What each replica applied, told to whoever waits or measures. Lost receipts are harmless: nobody takes silence for an answer.
 * One partition: whoever reads them reads all.
 */
export const receiptsTopic: TopicDeclaration = {
  name: "lockstep.receipts",
  key: "none",
  value: "replica, entity, versions applied, and when they were committed, applied and cached",
  writtenBy: ["replica"],
  readBy: ["gateway", "console"],
  config: { "cleanup.policy": "delete", "retention.ms": String(day / 24) },
};

/** Who is paused: a record each for the stream and every replica. One partition. */
export const controlTopic: TopicDeclaration = {
  name: "lockstep.control",
  key: "stream, or replica/<name>",
  value: "whether it is paused, since when, and why",
  writtenBy: ["operations"],
  readBy: ["stream", "replica", "console"],
  config: { "cleanup.policy": "compact" },
};

/** All topics of one entity. They have the same number of partitions: what is read from partition n is written to partition n. */
export const topicsOf = (entity: EntityDeclaration): readonly TopicDeclaration[] => [
  eventsTopic(entity),
  ...entity.replicas.map((replica) => replicaTopic(entity, replica.name)),
  deadLetterTopic(entity),
  versionsTopic(entity),
];

/**
 * Number of partitions of an entity's topics.
 *
 * @param configured the setting LOCKSTEP_PARTITIONS. An internal entity has one row, so its topics have one partition.
 */
export const partitionCount = (entity: EntityDeclaration, configured: number): number =>
  entity.internal ? 1 : configured;

/** Consumer groups, by the service that reads. */
export const streamGroup = "lockstep.stream";
export const replicaGroup = (replica: string): string => `lockstep.replica.${replica}`;
