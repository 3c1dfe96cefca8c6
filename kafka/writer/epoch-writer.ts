/**
 * A writer that fences earlier ones with epochs. Its batches are plain idempotent ones, and each is safe when its
 * response arrives. kafkajs' own producer is not used: as published it loses acknowledged records when a leader moves,
 * and loses or duplicates others after a lost response (docs/decisions/001-log-writer.md).
 *
 * It needs brokers that reject an older epoch outside transactions too, as Apache Kafka does. For other brokers see
 * transactional-writer.ts.
 */
import { RecordRejectedError, type TopicPartition } from "../log.ts";
import type { Fence } from "./fence.ts";
import { FencedWriter } from "./fenced-writer.ts";
import type { PartitionWriter, WriterDeps } from "./partition-writer.ts";
import { splitBatches } from "./split-batches.ts";

/** Writes plain idempotent batches, to all partitions concurrently. */
export class EpochWriter extends FencedWriter {
  private readonly active = new Set<PartitionWriter>();

  constructor(name: string, deps: WriterDeps, fence: Fence, partitions: readonly TopicPartition[]) {
    super(name, deps, fence, partitions, null);
  }

  protected processQueue(partition: PartitionWriter): void {
    if (!this.active.has(partition)) void this.writeQueued(partition);
  }

  private async writeQueued(partition: PartitionWriter): Promise<void> {
    this.active.add(partition);
    for (let write = partition.queue.shift(); write; write = partition.queue.shift()) {
      let stored = 0;
      try {
        let first: number | undefined;
        for (const batch of splitBatches(write.records)) {
          const offset = await partition.append(batch);
          first ??= offset;
          stored += batch.length;
        }
        write.resolve(first!);
      } catch (error) {
        if (error instanceof RecordRejectedError) error.stored = stored;
        write.reject(error instanceof RecordRejectedError ? error : this.end(error));
      }
    }
    this.active.delete(partition);
  }
}
