/**
 * The only writer of some partitions, by epochs: once fenced, its batches are plain idempotent ones, each safe when its
 * answer comes. kafkajs' own producer is not used: as published it loses acknowledged records when a leader moves, and
 * doubles or loses others after a lost answer (docs/decisions/001-log-writer.md).
 *
 * For brokers that refuse an older epoch also outside transactions, as Apache Kafka does; for others see
 * transactional-writer.ts.
 */
import { type LogWriter, nameOf, type OutgoingRecord, RecordRejectedError, type TopicPartition } from "../log.ts";
import { type Fence, fencedAt } from "./fence.ts";
import { PartitionQueueWriter, type WriterParts } from "./partition-lane.ts";
import { inBatches } from "./split-batches.ts";
import { WriterLife } from "./writer-state.ts";

export class EpochWriter implements LogWriter {
  readonly fencedAt: (at: TopicPartition) => number;
  private readonly life: WriterLife;
  private readonly lanes: ReadonlyMap<string, PartitionQueueWriter>;
  private readonly working = new Set<PartitionQueueWriter>();

  constructor(name: string, deps: WriterParts, fence: Fence, partitions: readonly TopicPartition[]) {
    this.life = new WriterLife(name);
    this.fencedAt = fencedAt(name, fence);
    this.lanes = new Map(
      partitions.map((at) => [nameOf(at), new PartitionQueueWriter(at, deps, fence, this.life, null)]),
    );
  }

  get open(): boolean {
    return this.life.open;
  }

  get openedAtMs(): number {
    return this.life.openedAtMs;
  }

  async write(at: TopicPartition, records: readonly OutgoingRecord[]): Promise<number> {
    this.life.check();
    const lane = this.lanes.get(nameOf(at));
    if (!lane) throw new Error(`writer ${this.life.name} was not opened for ${nameOf(at)}`);
    const written = lane.enqueue(records);
    if (!this.working.has(lane)) void this.work(lane);
    return written;
  }

  async close(): Promise<void> {
    this.end(new Error("it was closed"));
  }

  private async work(lane: PartitionQueueWriter): Promise<void> {
    this.working.add(lane);
    for (let next = lane.waiting.shift(); next; next = lane.waiting.shift()) {
      try {
        let first: number | undefined;
        for (const batch of inBatches(next.records)) {
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
    for (const { waiting } of this.lanes.values()) for (const { reject } of waiting.splice(0)) reject(dead);
    return dead;
  }
}
