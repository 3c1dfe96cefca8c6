/** A writer's way into one partition: writes wait in a row, batches go out one at a time and are numbered. */
import type { Logger } from "../../observability/logger.ts";
import { type OutgoingRecord, partitionKey, RecordRejectedError, type TopicPartition } from "../log.ts";
import { encodeBatch } from "../record-batch/encode.ts";
import { BrokerError, throwOnError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import { retryRequest } from "../wire/retry-request.ts";
import type { Fence } from "./fence.ts";
import type { Sender } from "./sender.ts";
import type { WriterState } from "./writer-state.ts";

/** Most writes that may wait for one partition. */
const WAITING_WRITES = 1_000;
/** Sequence numbers end here; no writer lives long enough to come near at 29,000 records a second in one partition. */
const LAST_SEQUENCE = 2 ** 31 - 1;

/** MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, INVALID_RECORD: nothing of the batch is stored and its sequence is not used. */
const refusals = new Set([10, 18, 87]);

export interface WriterDeps {
  readonly cluster: Cluster;
  readonly sender: Sender;
  readonly logger: Logger;
  /** How long one batch is tried before its outcome counts as unknown. */
  readonly timeoutMs: number;
}

export interface PendingWrite {
  readonly records: readonly OutgoingRecord[];
  readonly resolve: (offset: number) => void;
  readonly reject: (error: unknown) => void;
}

export class PartitionWriter {
  readonly queue: PendingWrite[] = [];
  private sequence = 0;

  /** @param transactionalId of the transaction that the batches belong to; null for batches outside any. */
  constructor(
    readonly topicPartition: TopicPartition,
    readonly deps: WriterDeps,
    readonly fence: Fence,
    readonly state: WriterState,
    readonly transactionalId: string | null,
  ) {}

  /** Puts a write in the row. Resolves with its first offset when `waiting` has been carried out by whoever works here. */
  enqueue(records: readonly OutgoingRecord[]): Promise<number> {
    if (records.length === 0) throw new Error(`nothing to write to ${partitionKey(this.topicPartition)}`);
    if (this.queue.length >= WAITING_WRITES)
      throw new Error(
        `${WAITING_WRITES} writes already wait for ${partitionKey(this.topicPartition)}; await some before the next`,
      );
    return new Promise((resolve, reject) => {
      this.queue.push({ records, resolve, reject });
    });
  }

  /**
   * Stores one batch. After a failure that may pass, the same bytes go out again, to whoever leads then: the broker knows a
   * batch by its sequence number, and answers a second copy with the first one's offset. Never two at a time.
   *
   * @returns the offset of the first record.
   * @throws {RecordRejectedError} when nothing was stored and the lane can go on; anything else means that the writer must end.
   */
  async append(records: readonly OutgoingRecord[]): Promise<number> {
    this.state.throwIfDead();
    if (this.sequence + records.length > LAST_SEQUENCE) throw new Error("its sequence numbers are used up");
    const { cluster, sender, timeoutMs, logger } = this.deps;
    const { topic, partition } = this.topicPartition;
    const { transactionalId } = this;
    const by = { ...this.fence, firstSequence: this.sequence, isTransactional: transactionalId !== null };
    const batch = encodeBatch(records, by, Date.now());
    const options = {
      what: `writing to ${partitionKey(this.topicPartition)}`,
      timeoutMs: timeoutMs,
      signal: this.state.signal,
      beforeRetry: () => cluster.refresh(),
      onRetry: (error: unknown) =>
        logger.debug({ err: error, writer: this.state.name, ...this.topicPartition }, "a batch is sent again"),
    };
    const offset = await retryRequest(options, async () => {
      const answer = await sender.send(await cluster.leader(this.topicPartition), {
        topic,
        partition,
        batch,
        transactionalId,
      });
      if (refusals.has(answer.errorCode))
        throw new RecordRejectedError(this.topicPartition, new BrokerError(answer.errorCode, "produce").message);
      throwOnError(answer.errorCode, `produce to ${partitionKey(this.topicPartition)}`);
      return answer.baseOffset;
    });
    if (offset < 0) throw new Error(`${partitionKey(this.topicPartition)} took the batch and did not say where`);
    this.sequence += records.length;
    return offset;
  }
}
