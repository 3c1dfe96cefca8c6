/**
 * The log seam: everything that Lockstep needs from a Kafka-protocol broker. Other rooms see this interface only;
 * `connectLog` implements it. README.md lists the rules that keep a record from being lost or stored twice. The suite
 * in tests/kafka-conformance checks these rules.
 *
 * Read {@link Log} first: it opens writers and readers. {@link LogWriter}, {@link Consumer} and {@link Watcher} follow.
 */
import { LockstepError } from "../contracts/errors.ts";

/** One connection to a log. `connectLog` makes it. All methods are safe to call concurrently. */
export interface Log {
  /**
   * Opens the only writer of `partitions` under `name`. This fences every earlier writer of the same name: brokers
   * reject its later writes to these partitions.
   *
   * @throws {WriterDeadError} with `fenced`, when another writer opens the same name at the same time and fences this
   * one.
   * @throws {Error} when the brokers cannot be reached within 20 seconds.
   */
  openWriter(name: string, partitions: readonly TopicPartition[]): Promise<LogWriter>;
  /**
   * Reads the records from offset `from` (inclusive) to `to` (exclusive), in order and in batches that are never empty.
   * Records that retention or compaction has deleted are left out.
   *
   * @throws {Error} when the partition does not reach `to` within 30 seconds. A read never ends early without an error.
   */
  read(topicPartition: TopicPartition, from: number, to: number): AsyncIterable<readonly StoredRecord[]>;
  /**
   * Returns the offset range of each partition, by partition number.
   *
   * @throws {Error} when the topic does not exist or a partition has no leader, after 20 seconds at most.
   */
  offsets(topic: string): Promise<ReadonlyMap<number, OffsetRange>>;
  /**
   * Returns the offset at which a consumer group continues, by partition number. Consumers commit once a second, so the
   * value may be a second old. A partition without a committed offset has its first offset here.
   *
   * @throws {Error} when the brokers do not respond within 20 seconds.
   */
  committedOffsets(group: string, topic: string): Promise<ReadonlyMap<number, number>>;
  /** Returns the broker's configuration of a topic, by name. @throws {Error} after 60 seconds without a response. */
  topicConfig(topic: string): Promise<ReadonlyMap<string, string>>;
  /**
   * Returns the identity of each topic that exists, by name. A topic that was deleted and created again, or is on
   * another cluster, has another identity. It is empty when the brokers have no identities.
   *
   * @throws {Error} when the brokers do not respond within 20 seconds.
   */
  topicIds(topics: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Returns the number of partitions of a topic. @throws {Error} when it is unknown to the brokers for 20 seconds. */
  partitionCount(topic: string): Promise<number>;
  /** Joins a consumer group in the background. Partitions arrive once the group has assigned them. */
  consume(options: ConsumeOptions): Promise<Consumer>;
  /**
   * Reads a topic without a consumer group. Once the promise resolves, the watcher delivers every later record.
   *
   * @throws {Error} when the topic does not exist.
   */
  watch(options: WatchOptions): Promise<Watcher>;
  /**
   * Creates missing topics and waits until each of their partitions has a leader.
   *
   * @throws {Error} when a topic exists with another number of partitions, or after 60 seconds.
   */
  ensureTopics(topics: readonly TopicSpec[], layout: TopicLayout): Promise<void>;
  /** Closes all consumers, then all connections. */
  close(): Promise<void>;
}

/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  /** From 0. */
  readonly partition: number;
}

/** `topic/partition`: the key for maps, and the form in messages. */
export const partitionKey = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

/** All partitions of a topic that has `count` of them, in order. */
export const partitionsOf = (topic: string, count: number): TopicPartition[] =>
  Array.from({ length: count }, (_, partition) => ({ topic, partition }));

/** The offsets that a partition holds. It is empty when both are equal. */
export interface OffsetRange {
  /** Offset of the oldest record that is still stored. */
  readonly first: number;
  /** Offset that the next record will get. */
  readonly next: number;
}

/** A record to write. The caller chooses the partition. */
export interface OutgoingRecord {
  readonly key: string | Buffer | null;
  readonly value: string | Buffer | null;
  readonly headers: Readonly<Record<string, string | Buffer>>;
}

/**
 * A record as the log stores it. Key and value share memory with the whole response: copy them to keep them for long.
 * Headers are getters of the class, so a spread (`{...record}`) leaves them out.
 */
export interface StoredRecord extends TopicPartition {
  readonly offset: number;
  /** Milliseconds since 1970, as the producer or the broker set it. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Header values as UTF-8. The last value counts when a name occurs twice. */
  readonly headers: Readonly<Record<string, string>>;
  /** Header values as bytes. */
  readonly rawHeaders: Readonly<Record<string, Buffer>>;
}

/**
 * Writes to a set of partitions as their only writer.
 *
 * States:
 * - open: accepts writes → dead, after a write with unknown outcome, after fencing, or after `close`
 * - dead: rejects every write. The last write may or may not be stored: open a new writer and read back to find out.
 */
export interface LogWriter {
  /**
   * Returns the partition's end at the moment when this writer had fenced all earlier ones. Nothing that an earlier
   * writer of the same name sends can be stored at or after this offset.
   *
   * @throws {Error} for a partition that this writer was not opened for.
   */
  readonly fenceOffset: (topicPartition: TopicPartition) => number;
  /** True while the writer accepts writes. */
  readonly isOpen: boolean;
  /**
   * Milliseconds since 1970. Open a new writer after about 12 hours. Brokers forget the epochs of an idle writer after
   * a day, so a writer that is older than 20 hours is dead.
   */
  readonly openedAtMs: number;
  /**
   * Appends records in order. Calls for one partition run one after the other; calls for different partitions run
   * concurrently. Resolves when all in-sync replicas have the records.
   *
   * @param records at least one. More than 500 kB or 2,000 records are split into several batches.
   * @returns the offset of the first record.
   * @throws {WriterDeadError} when the outcome is unknown or another writer has taken over. The writer is then dead.
   * @throws {RecordRejectedError} when the broker never accepts one of the records. The writer stays open. The error
   * says how many records of the call are stored, and how many are in the rejected batch.
   * @throws {Error} when 1,000 writes are already queued for the partition.
   */
  write(topicPartition: TopicPartition, records: readonly OutgoingRecord[]): Promise<number>;
  /** Rejects queued writes and makes the writer dead. */
  close(): Promise<void>;
}

/** Records of one partition, in order. Only compaction and retention make gaps between offsets. */
export interface Batch extends TopicPartition {
  /** At least one. */
  readonly records: readonly StoredRecord[];
  /**
   * Offset of the partition's next record when this batch was fetched. Transaction markers directly after the batch are
   * not counted.
   */
  readonly highWatermark: number;
  /**
   * Whether these are still the next records. False after {@link Consumer.seek}, and after the partition was revoked:
   * `onBatch` must then not process them. Consumers always set it.
   */
  readonly isCurrent?: () => boolean;
}

/** A member of a consumer group. Each partition of the topics belongs to one member of the group at a time. */
export interface Consumer {
  /** Resolves after `close`. Rejects when the consumer cannot continue; it is then closed. */
  readonly ended: Promise<void>;
  /** Milliseconds since a broker last responded to a fetch, with or without records. */
  readonly fetchAgeMs: () => number;
  /** The partitions that this member owns now. */
  readonly assigned: () => readonly TopicPartition[];
  /** How far this member is in each of its partitions. */
  readonly positions: () => readonly ConsumerPosition[];
  /** Continues a partition at this offset. Does nothing for a partition that this member does not own. */
  readonly seek: (topicPartition: TopicPartition, offset: number) => void;
  /**
   * While true, the consumer starts no batch. Batches in flight finish, and the member keeps its partitions. When set
   * to false, the consumer continues at the next record.
   */
  paused: boolean;
  /** Waits up to 16 seconds for the batches in flight, commits offsets and leaves the group. */
  close(): Promise<void>;
}

/** How far a consumer is in one partition. */
export interface ConsumerPosition extends TopicPartition {
  /** Everything before this offset is processed. */
  readonly processed: number;
  /** Offset at which the partition ended when a broker last responded. */
  readonly end: number;
}

/** What a {@link Consumer} reads, and the callbacks that process it. */
export interface ConsumeOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /**
   * Processes the next records of a partition. Calls for one partition never overlap. The partitions of one response of
   * a broker are delivered one directly after the other, in the same turn of the event loop, so that their handlers can
   * share requests. When it resolves, the records count as processed. When it rejects, the same batch is delivered
   * again after a delay that grows to 4 seconds. After a rebalance or a restart, records may be delivered again.
   */
  readonly onBatch: (batch: Batch) => Promise<void>;
  /** Called when this member owns new partitions, before their first batch. */
  readonly onAssigned?: (partitions: readonly TopicPartition[]) => void;
  /** Called when this member no longer owns partitions, or cannot know whether it does. */
  readonly onRevoked?: (partitions: readonly TopicPartition[]) => void;
  /**
   * Called before the next batch when records were deleted before this group read them: from `from` (inclusive) to `to`
   * (exclusive). `to` is lower than `from` when the partition was recreated; the consumer then reads it from the start.
   */
  readonly onGap?: (topicPartition: TopicPartition, from: number, to: number) => void;
  /**
   * Called when the partition may have been created again, before its next records are delivered: the broker did not
   * know it or the offset, or it did not respond for 5 seconds. The new partition may be as long as the old one, so the
   * offsets do not show it.
   */
  readonly onInterrupted?: (topicPartition: TopicPartition) => void;
  /** Limit of bytes per partition and fetch. A partition with this many bytes queued is not fetched. Default 1 MiB. */
  readonly maxBytesPerPartition?: number;
  /**
   * Delay before the next fetch of a partition that receives more than a megabyte a second, in milliseconds. Use it
   * when a few large batches cost less than many small ones. Records that are already stored are fetched at once.
   * Default 0.
   */
  readonly lingerMs?: number;
  /** Limit of batches that are processed at the same time, over all partitions. Default 12. */
  readonly concurrency?: number;
  /**
   * Makes this a static member (Kafka's `group.instance.id`, KIP-345). Use the same id after a restart, and a different
   * one in every process. A restarted member takes its partitions back at once, without waiting for its old session to
   * expire. Of two processes with one id, the older one ends with FENCED_INSTANCE_ID.
   */
  readonly groupInstanceId?: string;
  /** Starts paused, see {@link Consumer.paused}. Default false. */
  readonly paused?: boolean;
  /**
   * Time without a heartbeat after which the group reassigns the partitions. Default 10,000 ms; brokers require 6,000.
   */
  readonly sessionTimeoutMs?: number;
}

/** What a {@link Watcher} reads. */
export interface WatchOptions {
  readonly topic: string;
  /**
   * `start`: everything that is stored. `end`: only records that are written from now on. `sinceMs`: also records with
   * this timestamp or a later one, milliseconds since 1970.
   */
  readonly from: "start" | "end" | { readonly sinceMs: number };
  /** Called with the next records of one partition. Calls never overlap. An error ends the watcher. */
  readonly onRecords: (records: readonly StoredRecord[]) => void | Promise<void>;
  /**
   * Delay of the next fetch after one with records, in milliseconds: for a reader that does not need each record at
   * once. Asked after each fetch; {@link Watcher.refresh} ends a delay. Records that are already stored are fetched at
   * once. Default 0.
   */
  readonly lingerMs?: () => number;
}

/** Reads all partitions of a topic without a consumer group, so every watcher receives every record. */
export interface Watcher {
  /**
   * Resolves when all records that were stored at the start are delivered. Rejects when the watcher ends before that.
   */
  readonly caughtUp: Promise<void>;
  /**
   * Until when the watcher has delivered everything: the time of the last answer of a broker after which no record was
   * left, by `performance.now()`. It stops rising while a broker hangs or the watcher falls behind. Brokers answer at
   * least every 2 seconds, and at once after {@link Watcher.refresh}.
   */
  readUntil(): number;
  /**
   * Asks the brokers for an answer now, so that {@link Watcher.readUntil} rises although there are no new records, and
   * ends a delay of {@link WatchOptions.lingerMs}.
   */
  refresh(): void;
  /** Resolves after `close`. Rejects when the watcher cannot continue. */
  readonly ended: Promise<void>;
  /** Waits for the `onRecords` call in flight, then ends the watcher. */
  close(): Promise<void>;
}

/** A topic to create. */
export interface TopicSpec {
  readonly name: string;
  /** Kafka's topic configuration, such as `cleanup.policy`. */
  readonly config: Readonly<Record<string, string>>;
}

/** Partitions and replication of topics to create. */
export interface TopicLayout {
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly minInSyncReplicas: number;
}

/** Why the broker rejects a batch. `invalid`: for anything but its size. */
export type RejectionKind = "too large" | "invalid";

/**
 * The broker rejects a batch permanently, usually for its size. Nothing of the batch is stored, and a retry cannot
 * succeed. The records of the call before the batch are stored; those after it are not.
 */
export class RecordRejectedError extends LockstepError {
  /** Number of records of the call that are stored: those before the rejected batch. */
  stored = 0;

  /**
   * @param reason Kafka's error name, such as MESSAGE_TOO_LARGE.
   * @param rejected number of records in the rejected batch. With more than one, some of them may be acceptable.
   */
  constructor(
    readonly topicPartition: TopicPartition,
    readonly kind: RejectionKind,
    readonly reason: string,
    readonly rejected: number,
  ) {
    super(
      "RECORD_REJECTED",
      `the broker rejects a record for ${partitionKey(topicPartition)}: ${reason}; ` +
        "shorten the record or raise the topic's limits",
    );
  }
}

/** The writer cannot continue. Either a newer writer has fenced it, or its last write may or may not be stored. */
export class WriterDeadError extends LockstepError {
  constructor(
    readonly writer: string,
    /** True when a newer writer of the same name has taken over. */
    readonly fenced: boolean,
    cause?: unknown,
  ) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = fenced
      ? `writer ${writer} was fenced by a newer writer of the same name`
      : `writer ${writer}: the outcome of a write is unknown (${reason}); open a new writer and read back`;
    super("WRITER_DEAD", message, { cause });
  }
}
