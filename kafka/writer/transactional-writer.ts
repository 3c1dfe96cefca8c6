/**
 * A writer that fences earlier ones with transactions, for brokers that check the epoch of a batch inside a transaction
 * only. Redpanda is one. It stores a plain batch of an older epoch. A plain batch with a newer epoch than the
 * partition's last transaction fails an assertion, which ends the broker (docs/decisions/001-log-writer.md).
 *
 * One transaction carries the next batch of every partition with queued writes: begin, append, commit. The writes are
 * safe after the commit, so they take these round trips longer than with epochs. A commit with unknown outcome ends the
 * writer, and its successor's InitProducerId completes or aborts the transaction. The writer begins no transaction
 * after such a commit, so a late commit cannot end another transaction (Jepsen, Bufstream 0.1.0).
 */
import { type OutgoingRecord, RecordRejectedError, type TopicPartition, type WriterDeadError } from "../log.ts";
import { BrokerError, throwOnAnyError, throwOnError } from "../wire/broker-errors.ts";
import { byTopic, coordinatorType } from "../wire/protocol.ts";
import { retryRequest } from "../wire/retry-request.ts";
import type { Fence } from "./fence.ts";
import { FencedWriter } from "./fenced-writer.ts";
import type { PartitionWriter, PendingWrite, WriterDeps } from "./partition-writer.ts";
import { splitBatches } from "./split-batches.ts";

/** A write of which a part may be stored. */
interface WriteInProgress {
  readonly write: PendingWrite;
  readonly remaining: (readonly OutgoingRecord[])[];
  /** Offset of its first record, once stored. */
  first: number | undefined;
}

/** Writes in transactions, one at a time over all partitions. */
export class TransactionalWriter extends FencedWriter {
  /** The current write of each partition. */
  private readonly inProgress = new Map<PartitionWriter, WriteInProgress>();
  private isRunning = false;

  constructor(name: string, deps: WriterDeps, fence: Fence, partitions: readonly TopicPartition[]) {
    super(name, deps, fence, partitions, name);
  }

  protected processQueue(): void {
    if (!this.isRunning) void this.runTransactions();
  }

  private async runTransactions(): Promise<void> {
    this.isRunning = true;
    // Writes that start in the same turn of the event loop share a transaction.
    await Promise.resolve();
    for (let partitions = this.startWrites(); partitions.length > 0; partitions = this.startWrites()) {
      try {
        await this.runTransaction(partitions);
      } catch (error) {
        this.end(error);
      }
    }
    this.isRunning = false;
  }

  /**
   * Starts the next write of each partition that has none in progress.
   *
   * @returns all partitions with a write in progress.
   */
  private startWrites(): PartitionWriter[] {
    for (const partition of this.partitions.values()) {
      if (this.inProgress.has(partition)) continue;
      const write = partition.queue.shift();
      if (write)
        this.inProgress.set(partition, { write, remaining: [...splitBatches(write.records)], first: undefined });
    }
    return [...this.inProgress.keys()];
  }

  private async runTransaction(partitions: readonly PartitionWriter[]): Promise<void> {
    this.state.throwIfDead();
    await this.begin(partitions);
    const results = await Promise.all(partitions.map((partition) => this.append(partition)));
    await this.commit();
    for (const settle of results) settle();
  }

  /**
   * Stores the next batch of a partition's write.
   *
   * @returns what settles the write once the transaction is committed.
   */
  private async append(partition: PartitionWriter): Promise<() => void> {
    const progress = this.inProgress.get(partition)!;
    const { write, remaining } = progress;
    try {
      const offset = await partition.append(remaining.shift()!);
      progress.first ??= offset;
    } catch (error) {
      if (!(error instanceof RecordRejectedError)) throw error;
      const unsent = remaining.reduce((sum, batch) => sum + batch.length, 0);
      error.stored = write.records.length - error.rejected - unsent;
      this.inProgress.delete(partition);
      return () => write.reject(error);
    }
    return () => {
      if (remaining.length > 0) return;
      this.inProgress.delete(partition);
      write.resolve(progress.first!);
    };
  }

  private producer() {
    const { producerId, producerEpoch } = this.fence;
    return { transactionalId: this.name, producerId: String(producerId), producerEpoch };
  }

  /**
   * Begins a transaction. The coordinator rejects that for some milliseconds, until the previous markers are written.
   */
  private async begin(partitions: readonly PartitionWriter[]): Promise<void> {
    const topics = byTopic(
      partitions.map(({ topicPartition }) => topicPartition),
      ({ partition }) => partition,
    );
    const what = `beginning a transaction of writer ${this.name}`;
    await retryRequest(this.retryOptions(what, 1), () =>
      this.deps.cluster.withCoordinator(coordinatorType.transaction, this.name, async (coordinator) => {
        const { errors } = await coordinator.request("AddPartitionsToTxn", { ...this.producer(), topics });
        throwOnAnyError(errors, what);
      }),
    );
  }

  /** Commits the transaction. Not retried after a lost response, because the coordinator may have committed it. */
  private async commit(): Promise<void> {
    const what = `committing a transaction of writer ${this.name}`;
    await retryRequest(this.retryOptions(what, 2), () =>
      this.deps.cluster
        .withCoordinator(coordinatorType.transaction, this.name, async (coordinator) => {
          const { errorCode } = await coordinator.request("EndTxn", { ...this.producer(), transactionResult: true });
          throwOnError(errorCode, what);
        })
        .catch((error: unknown) => {
          if (error instanceof BrokerError) throw error;
          throw new Error(`${what}: the response was lost`, { cause: error });
        }),
    );
  }

  private retryOptions(what: string, firstDelayMs: number) {
    return { what, timeoutMs: this.deps.timeoutMs, signal: this.state.signal, firstDelayMs, maxDelayMs: 100 };
  }

  protected override end(cause: unknown): WriterDeadError {
    const dead = this.state.end(cause);
    for (const { write } of this.inProgress.values()) write.reject(dead);
    this.inProgress.clear();
    return super.end(dead);
  }
}
