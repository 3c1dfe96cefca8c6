/** The state of an input partition while this instance owns it: writer, progress, outputs of earlier owners. */
import type { LogWriter, OutgoingRecord } from "../kafka/log.ts";
import type { Checkpoint, PartitionKey } from "./version-store.ts";

/** What a takeover finds: {@link OwnedPartition}. */
interface Takeover {
  readonly key: PartitionKey;
  readonly partition: number;
  readonly writer: LogWriter;
  /** Offset of the first input record to process. */
  readonly next: number;
  /** Offsets at which the output partitions end, by topic. */
  readonly endOffsets: Readonly<Record<string, number>>;
  /** Offsets from which the output partitions were read back, by topic. */
  readonly readFrom: Readonly<Record<string, number>>;
  /** Offsets of input at or after `next` whose output is stored, by output topic. */
  readonly storedOffsets: ReadonlyMap<string, ReadonlySet<number>>;
  /** Input that the log deleted before the stream processed it: from `from` (inclusive) to `to` (exclusive). */
  readonly gap?: { readonly from: number; readonly to: number };
}

/** The result of one takeover. It is valid until its writer closes. */
export class OwnedPartition {
  private nextOffset: number;
  private readonly endOffsets: Record<string, number>;
  /** Largest offset of stored input, or -1. An earlier owner counted the input up to it. */
  private readonly lastCounted: number;

  constructor(private readonly takeover: Takeover) {
    this.nextOffset = takeover.next;
    this.endOffsets = { ...takeover.endOffsets };
    let lastCounted = -1;
    for (const offsets of takeover.storedOffsets.values())
      for (const offset of offsets) lastCounted = Math.max(lastCounted, offset);
    this.lastCounted = lastCounted;
  }

  get key(): PartitionKey {
    return this.takeover.key;
  }

  get gap(): Takeover["gap"] {
    return this.takeover.gap;
  }

  /** Offset of the next input record to process. */
  get next(): number {
    return this.nextOffset;
  }

  /** False after a failed write and after {@link close}: what the last writes stored is unknown then. */
  get isOpen(): boolean {
    return this.takeover.writer.isOpen;
  }

  /** Whether `topic` already has the output of the input record at `offset`. */
  isStored(topic: string, offset: number): boolean {
    return offset <= this.lastCounted && this.takeover.storedOffsets.get(topic)?.has(offset) === true;
  }

  /** Whether an earlier owner has counted the input record at `offset` in the metrics. */
  isCounted(offset: number): boolean {
    return offset <= this.lastCounted;
  }

  /** Appends records to this partition of `topic`. @throws {Error} as {@link LogWriter.write}. */
  async write(topic: string, records: readonly OutgoingRecord[]): Promise<void> {
    const { writer, partition } = this.takeover;
    const base = await writer.write({ topic, partition }, records);
    this.endOffsets[topic] = base + records.length;
  }

  /**
   * Records that the input before `next` is processed and its outputs are stored.
   *
   * @returns the checkpoint for this progress. While later input has output that an earlier owner stored, the
   * checkpoint keeps the offsets where reading back began: the next owner must find those outputs too.
   */
  advanceTo(next: number): Checkpoint {
    this.nextOffset = next;
    return { next, ends: next > this.lastCounted ? this.endOffsets : this.takeover.readFrom };
  }

  close(): Promise<void> {
    return this.takeover.writer.close();
  }
}
