/** Writes to one partition: queues writes, and sends numbered batches one at a time. */
import type { Logger } from "../../observability/logger.ts";
import {
  type OutgoingRecord,
  partitionKey,
  RecordRejectedError,
  type RejectionKind,
  type TopicPartition,
} from "../log.ts";
import { encodeBatch } from "../record-batch/encode.ts";
import { errorCodes, errorName, throwOnError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import { type RetryRequestOptions, retryRequest } from "../wire/retry-request.ts";
import type { Fence } from "./fence.ts";
import type { Sender } from "./sender.ts";
import type { WriterState } from "./writer-state.ts";

const MAX_QUEUED_WRITES = 1_000;
/** A writer would need 29,000 records a second in one partition to reach it within its 20 hours. */
const LAST_SEQUENCE = 2 ** 31 - 1;

/** With these errors nothing of the batch is stored, and its sequence numbers are free again. */
const rejections: ReadonlyMap<number, RejectionKind> = new Map([
  [errorCodes.MESSAGE_TOO_LARGE, "too large"],
  [errorCodes.RECORD_LIST_TOO_LARGE, "too large"],
  [errorCodes.INVALID_RECORD, "invalid"],
]);

/** What every writer needs. */
export interface WriterDeps {
  readonly cluster: Cluster;
  readonly sender: Sender;
  readonly logger: Logger;
  /** Time limit for one batch in milliseconds. After it, the outcome counts as unknown. */
  readonly timeoutMs: number;
}

/** One call of `LogWriter.write`. */
export interface PendingWrite {
  readonly records: readonly OutgoingRecord[];
  /** Takes the offset of the first record. */
  readonly resolve: (offset: number) => void;
  readonly reject: (error: unknown) => void;
}

/** The writer that owns it takes writes from `queue` and calls `append`. */
export class PartitionWriter {
  readonly queue: PendingWrite[] = [];
  private sequence = 0;
  private readonly retryOptions: RetryRequestOptions;

  /** @param transactionalId the transaction of all batches, or null for batches outside transactions. */
  constructor(
    readonly topicPartition: TopicPartition,
    readonly deps: WriterDeps,
    readonly fence: Fence,
    readonly state: WriterState,
    readonly transactionalId: string | null,
  ) {
    const { cluster, timeoutMs, logger } = deps;
    this.retryOptions = {
      what: `writing to ${partitionKey(topicPartition)}`,
      timeoutMs,
      signal: state.signal,
      beforeRetry: () => cluster.refresh(),
      onRetry: (error) => logger.debug({ err: error, writer: state.name, ...topicPartition }, "retrying a batch"),
    };
  }

  /**
   * Queues a write. The promise settles when the owner has processed it.
   *
   * @throws {Error} without records, or when 1,000 writes are queued.
   */
  enqueue(records: readonly OutgoingRecord[]): Promise<number> {
    if (records.length === 0) throw new Error(`a write to ${partitionKey(this.topicPartition)} has no records`);
    if (this.queue.length >= MAX_QUEUED_WRITES)
      throw new Error(
        `${MAX_QUEUED_WRITES} writes are already queued for ${partitionKey(this.topicPartition)}; await some first`,
      );
    return new Promise((resolve, reject) => {
      this.queue.push({ records, resolve, reject });
    });
  }

  /**
   * Stores one batch. After a transient error the same bytes are sent again, to the current leader. The broker
   * recognizes the sequence number and returns the first copy's offset. Calls must not overlap.
   *
   * @returns the offset of the first record.
   * @throws {RecordRejectedError} when nothing was stored and the next batch can follow.
   * @throws {Error} every other error: the outcome is unknown, so the writer must end.
   */
  async append(records: readonly OutgoingRecord[]): Promise<number> {
    this.state.throwIfDead();
    if (this.sequence + records.length > LAST_SEQUENCE)
      throw new Error("the sequence numbers of the partition are used up");
    const { cluster, sender } = this.deps;
    const { topicPartition, transactionalId } = this;
    const { topic, partition } = topicPartition;
    const producer = { ...this.fence, firstSequence: this.sequence, isTransactional: transactionalId !== null };
    const batch = encodeBatch(records, producer, Date.now());
    const offset = await retryRequest(this.retryOptions, async () => {
      const leader = cluster.knownLeader(topicPartition) ?? (await cluster.leader(topicPartition));
      const { errorCode, baseOffset } = await sender.send(leader, { topic, partition, batch, transactionalId });
      const kind = rejections.get(errorCode);
      if (kind) throw new RecordRejectedError(topicPartition, kind, errorName(errorCode), records.length);
      throwOnError(errorCode, `produce to ${partitionKey(topicPartition)}`);
      return baseOffset;
    });
    if (offset < 0) throw new Error(`${partitionKey(topicPartition)} stored the batch without reporting its offset`);
    this.sequence += records.length;
    return offset;
  }
}
