/** What both kinds of writers share: one queue for each partition, the fence, and the end of all pending writes. */
import {
  type LogWriter,
  type OutgoingRecord,
  partitionKey,
  type TopicPartition,
  type WriterDeadError,
} from "../log.ts";
import type { Fence } from "./fence.ts";
import { PartitionWriter, type WriterDeps } from "./partition-writer.ts";
import { WriterState } from "./writer-state.ts";

/** The only writer of its partitions. Subclasses decide how queued writes are sent. */
export abstract class FencedWriter implements LogWriter {
  protected readonly state: WriterState;
  protected readonly partitions: ReadonlyMap<string, PartitionWriter>;

  /** @param transactionalId the transaction of all batches, or null for batches outside transactions. */
  constructor(
    readonly name: string,
    readonly deps: WriterDeps,
    readonly fence: Fence,
    partitions: readonly TopicPartition[],
    transactionalId: string | null,
  ) {
    this.state = new WriterState(name);
    this.partitions = new Map(
      partitions.map((each) => [
        partitionKey(each),
        new PartitionWriter(each, deps, fence, this.state, transactionalId),
      ]),
    );
  }

  readonly fenceOffset = (topicPartition: TopicPartition): number => {
    const offset = this.fence.offsets.get(partitionKey(topicPartition));
    if (offset === undefined) throw this.notOpenedFor(topicPartition);
    return offset;
  };

  get isOpen(): boolean {
    return this.state.isOpen;
  }

  get openedAtMs(): number {
    return this.state.openedAtMs;
  }

  async write(topicPartition: TopicPartition, records: readonly OutgoingRecord[]): Promise<number> {
    this.state.throwIfDead();
    const partition = this.partitions.get(partitionKey(topicPartition));
    if (!partition) throw this.notOpenedFor(topicPartition);
    const written = partition.enqueue(records);
    this.processQueue(partition);
    return written;
  }

  async close(): Promise<void> {
    this.end(new Error("the writer was closed"));
  }

  /** Sends what is queued, unless that is in progress already. */
  protected abstract processQueue(partition: PartitionWriter): void;

  /** Makes the writer dead and rejects all queued writes. Batches in flight are not retried. */
  protected end(cause: unknown): WriterDeadError {
    const dead = this.state.end(cause);
    for (const { queue } of this.partitions.values()) for (const { reject } of queue.splice(0)) reject(dead);
    return dead;
  }

  private notOpenedFor(topicPartition: TopicPartition): Error {
    return new Error(`writer ${this.name} was not opened for ${partitionKey(topicPartition)}`);
  }
}
