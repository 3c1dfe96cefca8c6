/** The state of an input partition while this instance owns it: writer, progress, outputs of earlier owners. */
import { header } from "../contracts/event.ts";
import {
  type LogWriter,
  type OutgoingRecord,
  partitionKey,
  type StoredRecord,
  type TopicPartition,
} from "../kafka/log.ts";
import type { Checkpoint, Losses, PartitionKey } from "./checkpoint.ts";
import { type InputGap, type InputStart, inputIdentity, outputIdentity } from "./input-start.ts";
import type { StoredOutputs } from "./read-back.ts";

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
  /** Stored outputs of input at or after `next`, by topic. */
  readonly stored: ReadonlyMap<string, StoredOutputs>;
  /** What all checkpoints of this ownership have. */
  readonly constant: Pick<Checkpoint, "generation" | "lost" | "firsts">;
  /** {@link InputStart.replaced} */
  readonly replaced: boolean;
  /** {@link InputStart.gap} */
  readonly gap?: InputGap;
  /** Losses that this takeover found, by topic. */
  readonly found: Losses;
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
    for (const { byOffset } of takeover.stored.values())
      for (const offset of byOffset.keys()) lastCounted = Math.max(lastCounted, offset);
    this.lastCounted = lastCounted;
  }

  get partition(): number {
    return this.takeover.partition;
  }

  get key(): PartitionKey {
    return this.takeover.key;
  }

  /** The input partition. */
  get input(): TopicPartition {
    const { key, partition } = this.takeover;
    return { topic: key.slice(0, key.lastIndexOf("/")), partition };
  }

  get gap(): Takeover["gap"] {
    return this.takeover.gap;
  }

  get replaced(): boolean {
    return this.takeover.replaced;
  }

  /** Offset of the next input record to process. */
  get next(): number {
    return this.nextOffset;
  }

  /** False after a failed write and after {@link close}: what the last writes stored is unknown then. */
  get isOpen(): boolean {
    return this.takeover.writer.isOpen;
  }

  /**
   * Whether `topic` already has this output of the input record at `offset`, or had it before compaction: then it still
   * has a newer version of the entity. The older one must not follow it, or compaction would keep the older one.
   */
  isStored(topic: string, offset: number, { key, headers }: OutgoingRecord): boolean {
    if (offset > this.lastCounted && !this.replaced) return false;
    const stored = this.takeover.stored.get(topic);
    if (!stored) return false;
    if (stored.byOffset.get(offset) === outputIdentity(headers)) return true;
    const newest = stored.newest.get(String(key));
    return newest !== undefined && newest > Number(headers[header.version]);
  }

  /** Whether an earlier owner has counted the input record at `offset` in the metrics. */
  isCounted(offset: number): boolean {
    return offset <= this.lastCounted;
  }

  /** Losses that the takeover found, by topic. */
  get found(): Losses {
    return this.takeover.found;
  }

  /** What topics of the partition have lost, by topic. */
  get lost(): Losses {
    return this.takeover.constant.lost ?? {};
  }

  /** A copy of the known offsets of each output. `first` is undefined for a topic with retention. */
  get outputs(): ReadonlyMap<string, { readonly first: number | undefined; readonly end: number }> {
    const { firsts } = this.takeover.constant;
    return new Map(Object.entries(this.endOffsets).map(([topic, end]) => [topic, { end, first: firsts?.[topic] }]));
  }

  /**
   * Appends records to this partition of `topic`.
   *
   * @returns the partition's end.
   * @throws {Error} as {@link LogWriter.write}.
   * @throws {Error} when the topic was created again: nothing fences earlier owners there, so the writer is closed.
   */
  async write(topic: string, records: readonly OutgoingRecord[]): Promise<number> {
    const { writer, partition } = this.takeover;
    const base = await writer.write({ topic, partition }, records);
    const end = this.endOffsets[topic]!;
    if (base < end) {
      await writer.close();
      const at = partitionKey({ topic, partition });
      throw new Error(`${at} was created again: it stored a record at offset ${base}, and had ended at ${end}`);
    }
    this.endOffsets[topic] = base + records.length;
    return base + records.length;
  }

  /**
   * Records that the input up to this record is processed and its outputs are stored.
   *
   * @returns the checkpoint for this progress. While later input has output that an earlier owner stored, the
   * checkpoint keeps the offsets where reading back began: the next owner must find those outputs too.
   */
  advanceAfter(record: StoredRecord): Checkpoint {
    const { offset } = record;
    const next = offset + 1;
    this.nextOffset = next;
    const { readFrom, constant } = this.takeover;
    // A copy: the checkpoint is saved later, and a write in progress moves the end of one output only.
    const ends = next > this.lastCounted ? { ...this.endOffsets } : readFrom;
    return { ...constant, next, ends, last: { offset, identity: inputIdentity(record) } };
  }

  close(): Promise<void> {
    return this.takeover.writer.close();
  }
}
