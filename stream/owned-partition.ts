/** The state of an input partition while this instance owns it: writer, progress, outputs of earlier owners. */
import type { LogWriter, OutgoingRecord, StoredRecord } from "../kafka/log.ts";
import { type InputGap, type InputStart, inputIdentity, outputIdentity } from "./input-start.ts";
import type { Checkpoint, PartitionKey } from "./version-store.ts";

/** Hash of {@link outputIdentity}: 53 bits, so that a whole topic that is read back fits into memory. */
export const identityHash = (headers: OutgoingRecord["headers"]): number =>
  Number(BigInt.asUintN(53, BigInt(Bun.hash(outputIdentity(headers)))));

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
  /** Stored outputs of input at or after `next`: by topic and offset of the input, the {@link identityHash}. */
  readonly storedOutputs: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** {@link Checkpoint.generation} */
  readonly generation: number;
  /** {@link InputStart.replaced} */
  readonly replaced: boolean;
  /** {@link InputStart.gap} */
  readonly gap?: InputGap;
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
    for (const outputs of takeover.storedOutputs.values())
      for (const offset of outputs.keys()) lastCounted = Math.max(lastCounted, offset);
    this.lastCounted = lastCounted;
  }

  get key(): PartitionKey {
    return this.takeover.key;
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

  /** Whether `topic` already has this output of the input record at `offset`. */
  isStored(topic: string, offset: number, { headers }: OutgoingRecord): boolean {
    if (offset > this.lastCounted) return false;
    const stored = this.takeover.storedOutputs.get(topic)?.get(offset);
    return stored !== undefined && stored === identityHash(headers);
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
   * Records that the input up to this record is processed and its outputs are stored.
   *
   * @returns the checkpoint for this progress. While later input has output that an earlier owner stored, the
   * checkpoint keeps the offsets where reading back began: the next owner must find those outputs too.
   */
  advanceAfter(record: StoredRecord): Checkpoint {
    const { offset } = record;
    const next = offset + 1;
    this.nextOffset = next;
    const { readFrom, generation } = this.takeover;
    const ends = next > this.lastCounted ? this.endOffsets : readFrom;
    return { next, ends, last: { offset, identity: inputIdentity(record) }, generation };
  }

  close(): Promise<void> {
    return this.takeover.writer.close();
  }
}
