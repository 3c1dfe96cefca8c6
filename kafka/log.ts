/**
 * The log seam: what Lockstep needs of a Kafka-protocol broker, and the rules that keep a write from being lost or doubled.
 * Rooms see this interface only; `kafkajs/` implements it, and the conformance suite judges every implementation.
 */
import { LockstepError } from "../contracts/errors.ts";

/** A record to write. The partition is always chosen by the caller. */
export interface OutgoingRecord {
  readonly key: string | Buffer | null;
  readonly value: string | Buffer | null;
  readonly headers: Readonly<Record<string, string | Buffer>>;
}

/** A record as the log keeps it. Header values are read as UTF-8; `rawHeaders` has their bytes. */
export interface StoredRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since 1970, as the producer or broker set it. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly rawHeaders: Readonly<Record<string, Buffer>>;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** `topic/partition`, the key of maps by partition. */
export const partitionKey = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

/** `first`: offset of the oldest record kept. `next`: offset that the next record will get. */
export interface OffsetRange {
  readonly first: number;
  readonly next: number;
}

/**
 * Writes to a set of partitions as their only writer.
 *
 * States: open → (any rejected write, or close) → dead. A dead writer refuses everything; what its last write did is
 * unknown, and only opening a new one and reading back tells.
 */
export interface LogWriter {
  /**
   * Where each partition ended when this writer had fenced all earlier ones: nothing that an earlier writer of the same
   * name still has under way can be stored after that.
   */
  readonly fenceOffset: (topicPartition: TopicPartition) => number;
  /**
   * Appends records in order. Calls for one partition are carried out one after the other; those for different partitions
   * in parallel. Resolves when all in-sync replicas have the records.
   *
   * @returns the offset of the first record.
   * @throws {WriterDeadError} when the outcome is unknown or another writer has taken over; the writer is then dead.
   * @throws {RecordRejectedError} when the broker will never take one of the records; the writer stays open. Records that
   * stand before it in a call of more than 500 kB or 2,000 records may be stored.
   */
  write(topicPartition: TopicPartition, records: readonly OutgoingRecord[]): Promise<number>;
  /** True until the first failure or close. */
  readonly isOpen: boolean;
  /**
   * When it was opened, milliseconds since 1970. Open a new one after 12 hours or so: brokers forget idle writers after a
   * day, and after 20 hours a writer refuses to write (it is then dead), since it might no longer be fenced.
   */
  readonly openedAtMs: number;
  close(): Promise<void>;
}

/** Records of one partition, in order and without a gap that compaction or retention did not make. */
export interface Batch extends TopicPartition {
  readonly records: readonly StoredRecord[];
  /** Offset that the next record of the partition will get, when this batch was fetched; markers after the batch not counted. */
  readonly highWatermark: number;
}

/** A member of a consumer group. */
export interface Consumer {
  /** Settles when the consumer ended; rejects when it cannot go on. */
  readonly ended: Promise<void>;
  /** Milliseconds since a broker last answered a fetch, with records or without. */
  readonly fetchAgeMs: () => number;
  /** Partitions that this member owns now. */
  readonly assigned: () => readonly TopicPartition[];
  /**
   * While true no further batch is given: those in hand are finished, the partitions stay this member's, and it goes on exactly where
   * it was.
   */
  paused: boolean;
  close(): Promise<void>;
}

export interface ConsumeOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /**
   * Called with the next records of a partition; never twice at a time for the same one. When it resolves, the records count
   * as processed; when it rejects, they come again after a pause. Records may come again after a rebalance or a restart.
   */
  readonly onBatch: (batch: Batch) => Promise<void>;
  /** Called when this member no longer owns a partition, or when it cannot know. */
  readonly onRevoked?: (partitions: readonly TopicPartition[]) => void;
  /** Called when this member has come to own partitions, before their first batch. */
  readonly onAssigned?: (partitions: readonly TopicPartition[]) => void;
  /**
   * Called before the next batch of a partition when records were deleted before this group read them: those from `from`
   * (inclusive) to `to` (exclusive). `to` is below `from` when the partition was made anew; it is then read from the start.
   */
  readonly onGap?: (topicPartition: TopicPartition, from: number, to: number) => void;
  /** Most bytes to fetch per partition at a time. Default 1 MiB. */
  readonly maxBytesPerPartition?: number;
  /**
   * How long to wait before the next fetch of a partition that brings more than a megabyte a second, in milliseconds: for whoever does
   * less work for a few large batches than for many small ones. What is there already is not waited for. Default 0.
   */
  readonly lingerMs?: number;
  /** Batches that may be processed at the same time. Default 12. */
  readonly concurrency?: number;
  /**
   * Name of this member, the same after a restart and unlike any other's in the group: restarted, it takes its place again
   * at once, where the group would otherwise wait for the old one's session to end. Two processes with one name end each other.
   */
  readonly groupInstanceId?: string;
  /** Begins paused ({@link Consumer.paused}). */
  readonly paused?: boolean;
  /** Silence of this member after which its partitions go to others. Default 10,000 ms; the broker allows 6,000 or more. */
  readonly sessionTimeoutMs?: number;
}

export interface WatchOptions {
  readonly topic: string;
  /** `end`: only what is written from now on. */
  readonly from: "start" | "end";
  /** Called with the next records of one partition, one call after the other. An error ends the watcher. */
  readonly onRecords: (records: readonly StoredRecord[]) => void | Promise<void>;
}

/** Reads all partitions of a topic without a consumer group: every watcher gets every record. */
export interface Watcher {
  /** Resolves when everything that was there at the start was given; rejects when the watcher ends before. */
  readonly caughtUp: Promise<void>;
  /** Settles when the watcher ended; rejects when it cannot go on. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

export interface Log {
  /**
   * Opens the only writer of `partitions` under a name. Any earlier writer with this name is fenced: each of its later
   * writes to these partitions is refused by the broker.
   *
   * @throws {Error} when the brokers cannot be reached within the seam's bounds.
   */
  openWriter(name: string, partitionCount: readonly TopicPartition[]): Promise<LogWriter>;
  /** Reads `from` (inclusive) to `to` (exclusive), whatever of it is still kept, in batches. */
  read(topicPartition: TopicPartition, from: number, to: number): AsyncIterable<readonly StoredRecord[]>;
  offsets(topic: string): Promise<ReadonlyMap<number, OffsetRange>>;
  /** Where a consumer group will go on in each partition of a topic, as it last committed: it may be a second old. */
  committedOffsets(group: string, topic: string): Promise<ReadonlyMap<number, number>>;
  /** The broker's settings for a topic, by name. */
  topicConfig(topic: string): Promise<ReadonlyMap<string, string>>;
  /** Number of partitions of a topic. */
  partitions(topic: string): Promise<number>;
  consume(options: ConsumeOptions): Promise<Consumer>;
  /** Resolves when it is clear where reading begins: what is written after that is given. @throws {Error} when the topic is not there. */
  watch(options: WatchOptions): Promise<Watcher>;
  /**
   * Creates what is missing, waits until each partition has a leader.
   *
   * @throws {Error} when a topic exists with another number of partitions.
   */
  ensureTopics(
    topics: readonly { name: string; config: Readonly<Record<string, string>> }[],
    shape: { partitions: number; replicationFactor: number; minInSyncReplicas: number },
  ): Promise<void>;
  close(): Promise<void>;
}

/** The broker refuses a record for what it is, mostly its size: nothing of its batch is stored, and repeating cannot help. */
export class RecordRejectedError extends LockstepError {
  constructor(
    readonly topicPartition: TopicPartition,
    reason: string,
  ) {
    super("RECORD_REJECTED", `${topicPartition.topic}/${topicPartition.partition} does not take a record: ${reason}`);
  }
}

/** The writer can't go on: its last write may or may not be stored, or it was fenced. */
export class WriterDeadError extends LockstepError {
  constructor(
    readonly writer: string,
    readonly fenced: boolean,
    cause?: unknown,
  ) {
    super(
      "WRITER_DEAD",
      fenced
        ? `writer ${writer} was fenced by a newer one`
        : `writer ${writer}: the outcome of a write is unknown (${cause instanceof Error ? cause.message : String(cause)})`,
      { cause },
    );
  }
}
