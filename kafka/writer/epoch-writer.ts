/**
 * The only writer of some partitions, by epochs: once fenced, its batches are plain idempotent ones, each safe when its
 * answer comes. kafkajs' own producer is not used: as published it loses acknowledged records when a leader moves, and
 * doubles or loses others after a lost answer (docs/decisions/001-log-writer.md).
 *
 * For brokers that refuse an older epoch also outside transactions, as Apache Kafka does; for others see
 * transactional-writer.ts.
 */
import { type LogWriter, type OutgoingRecord, partitionKey, RecordRejectedError, type TopicPartition } from "../log.ts";
import { type Fence, fencedAt } from "./fence.ts";
import { PartitionWriter, type WriterDeps } from "./partition-writer.ts";
import { splitBatches } from "./split-batches.ts";
import { WriterState } from "./writer-state.ts";

export class EpochWriter implements LogWriter {
  readonly fenceOffset: (topicPartition: TopicPartition) => number;
  private readonly life: WriterState;
  private readonly lanes: ReadonlyMap<string, PartitionWriter>;
  private readonly working = new Set<PartitionWriter>();

  constructor(name: string, deps: WriterDeps, fence: Fence, partitions: readonly TopicPartition[]) {
    this.life = new WriterState(name);
    this.fenceOffset = fencedAt(name, fence);
    this.lanes = new Map(
      partitions.map((topicPartition) => [
        partitionKey(topicPartition),
        new PartitionWriter(topicPartition, deps, fence, this.life, null),
      ]),
    );
  }

  get isOpen(): boolean {
    return this.life.isOpen;
  }

  get openedAtMs(): number {
    return this.life.openedAtMs;
  }

  async write(topicPartition: TopicPartition, records: readonly OutgoingRecord[]): Promise<number> {
    this.life.throwIfDead();
    const lane = this.lanes.get(partitionKey(topicPartition));
    if (!lane) throw new Error(`writer ${this.life.name} was not opened for ${partitionKey(topicPartition)}`);
    const written = lane.enqueue(records);
    if (!this.working.has(lane)) void this.work(lane);
    return written;
  }

  async close(): Promise<void> {
    this.end(new Error("it was closed"));
  }

  private async work(lane: PartitionWriter): Promise<void> {
    this.working.add(lane);
    for (let next = lane.queue.shift(); next; next = lane.queue.shift()) {
      try {
        let first: number | undefined;
        for (const batch of splitBatches(next.records)) {
          const offset = await lane.append(batch);
          first ??= offset;
        }
        next.resolve(first!);
      } catch (error) {
        next.reject(error instanceof RecordRejectedError ? error : this.end(error));
      }
    }
    this.working.delete(lane);
  }

  /** What waits is refused, what is under way is not tried again. */
  private end(cause: unknown): Error {
    const dead = this.life.end(cause);
    for (const { queue } of this.lanes.values()) for (const { reject } of queue.splice(0)) reject(dead);
    return dead;
  }
}
