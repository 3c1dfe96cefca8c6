/**
 * Every topic as data. Each name has the project's namespace as its prefix, if there is one. A test compares the topics
 * with the diagram in ARCHITECTURE.md.
 */
import type { EntityDeclaration } from "./entity/declaration.ts";
import { type Namespaced, qualify } from "./project.ts";

/** A topic of the log. */
export interface TopicDeclaration {
  readonly name: string;
  /** Description of the records' keys. */
  readonly key: string;
  /** Description of the records' values. */
  readonly value: string;
  /** Roles that write to the topic: `relay`, `stream`, `replica`, `operations`. */
  readonly writtenBy: readonly string[];
  /** Roles that read the topic; `replica <name>` is one replica. */
  readonly readBy: readonly string[];
  /** The broker's settings for the topic. */
  readonly config: Readonly<Record<string, string>>;
}

const day = 24 * 60 * 60 * 1000;

const compacted = {
  "cleanup.policy": "compact",
  // A replica that was stopped for less than this still reads every tombstone (P4).
  "delete.retention.ms": String(7 * day),
  "min.compaction.lag.ms": "60000",
  "max.compaction.lag.ms": String(day),
  // What the events topic accepts (1,048,588 bytes by default) must fit with the stream's headers.
  "max.message.bytes": "1100000",
};

/**
 * `<plural>.events`: every change of the source, from the relay to the stream. A change that the broker rejects, for
 * example for its size, is set aside in the source (`lockstep.set_aside`).
 */
export const eventsTopic = (entity: EntityDeclaration): TopicDeclaration => ({
  name: qualify(entity, `${entity.plural}.events`),
  key: "entity id",
  value: "the whole entity after the change",
  // Operations replay dead letters of the stream.
  writtenBy: ["relay", "operations"],
  readBy: ["stream"],
  config: { "cleanup.policy": "delete", "retention.ms": String(7 * day) },
});

/** `<plural>.to.<replica>`: the changes that one replica applies. */
export const replicaTopic = (entity: EntityDeclaration, replica: string): TopicDeclaration => ({
  name: qualify(entity, `${entity.plural}.to.${replica}`),
  key: "entity id",
  value: "the replica's projection; null when the replica must not have the entity",
  writtenBy: ["stream"],
  readBy: [`replica ${replica}`],
  config: compacted,
});

/** `<plural>.dead-letter`: dead letters and marks (dead-letter.ts). */
export const deadLetterTopic = (entity: EntityDeclaration): TopicDeclaration => ({
  name: qualify(entity, `${entity.plural}.dead-letter`),
  key: "the original key",
  value: "the original bytes; null for a mark",
  writtenBy: ["stream", "replica", "operations"],
  readBy: ["stream", "replica", "operations"],
  // The largest message of the events topic must fit, with the reason and the stack in its headers.
  config: { "cleanup.policy": "delete", "retention.ms": String(30 * day), "max.message.bytes": "2097152" },
});

/**
 * `<plural>.versions`: the newest version of each entity (known-version.ts). A stream instance restores its state from
 * it. It also proves to a rebuild that a replica must not have an entity.
 */
export const versionsTopic = (entity: EntityDeclaration): TopicDeclaration => ({
  name: qualify(entity, `${entity.plural}.versions`),
  key: "entity id",
  value: "newest version, and the replicas that must not have the entity",
  writtenBy: ["stream"],
  // Operations compare what the stream knows with the source.
  readBy: ["stream", "replica", "operations"],
  config: { "cleanup.policy": "compact", "min.compaction.lag.ms": "60000", "max.compaction.lag.ms": String(day) },
});

/**
 * Reports of the replicas about the versions that they applied. A lost receipt is harmless: no reader concludes
 * anything from a missing one. The topic has one partition, because every reader reads all receipts.
 */
export const receiptsTopic = (project: Namespaced): TopicDeclaration => ({
  name: qualify(project, "lockstep.receipts"),
  key: "none",
  value: "replica, entity, versions applied, and when they were committed, applied and cached",
  writtenBy: ["replica"],
  readBy: ["gateway", "console"],
  config: { "cleanup.policy": "delete", "retention.ms": String(day / 24) },
});

/**
 * Commands of operators to the stream and replicas (pauses, and the end of a loss of records), and the source whose
 * events the topics hold. It has one partition.
 */
export const controlTopic = (project: Namespaced): TopicDeclaration => ({
  name: qualify(project, "lockstep.control"),
  key: "stream, replica/<name>, stream/cleared-losses, or relay/source/<identity>",
  value: "whether it is paused, since when, and why; until when lost records were sent again; or which source it is",
  writtenBy: ["relay", "operations"],
  readBy: ["relay", "stream", "replica", "console"],
  config: { "cleanup.policy": "compact" },
});

/** All topics of one entity. They have the same number of partitions, and a record keeps its partition number. */
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

/** Consumer group of the stream. */
export const streamGroup = (project: Namespaced): string => qualify(project, "lockstep.stream");
/** Consumer group of a replica. */
export const replicaGroup = (project: Namespaced, replica: string): string =>
  qualify(project, `lockstep.replica.${replica}`);
