/**
 * The fetched and not yet processed data of one partition. Bytes are decoded when they are processed. Everything in the
 * queue becomes one batch, so a slow handler gets larger batches instead of more batches.
 */
import { partitionKey, type StoredRecord, type TopicPartition } from "../log.ts";
import { offsetAfter } from "../record-batch/decode.ts";
import type { Node } from "../wire/connection.ts";
import { decodeRecords, type FetchedPartition } from "./fetch.ts";

/** `recentBytes` decays by half in this time, in milliseconds. */
const HALF_LIFE_MS = 350;
/** `recentBytes` reaches this at a steady megabyte a second, or 1,300 events a second in one partition. */
const HIGH_VOLUME_BYTES = 524_288;

/** Filled by the fetch loop and emptied by the consumer. */
export class PartitionQueue {
  private fetched: FetchedPartition[] = [];
  private bytes = 0;
  private recentBytes = 0;
  private addedAtMs = 0;
  /** False once the partition is revoked. Then nothing more of it is processed. */
  isOwned = true;
  /** The newest poll in flight that asks for this partition, and the broker that it asks. */
  poll: { readonly node: Node } | undefined;
  /** True after the broker did not know the partition: it may be another one when it is back. */
  wasInterrupted = false;
  /** True while the start of the next fetch is determined, after the broker rejected the offset. */
  isRepositioning = false;
  /** True while the next fetch is delayed so that it returns more records. */
  isLingering = false;
  /** Where the next fetch begins. */
  nextFetchOffset: number;
  /** Every record before this offset is processed. */
  processedOffset: number;
  /** End of the partition when a broker last responded. */
  highWatermark = 0;
  /** When a broker last responded for this partition, or the queue was full, by `performance.now()`. */
  respondedAtMs = performance.now();

  /** See `partitionKey`. */
  readonly key: string;

  /**
   * @param committedOffset what the group's coordinator has stored; undefined for nothing.
   * @param maxBytes limit of one fetch, and the size at which the queue is full.
   */
  constructor(
    readonly topicPartition: TopicPartition,
    start: number,
    public committedOffset: number | undefined,
    readonly maxBytes: number,
  ) {
    this.key = partitionKey(topicPartition);
    this.nextFetchOffset = start;
    this.processedOffset = start;
  }

  /** True when the queue holds so much that the partition is not fetched. */
  get isFull(): boolean {
    return this.bytes >= this.maxBytes;
  }

  /** True when the next poll may ask for this partition. */
  get canFetch(): boolean {
    return this.isOwned && !this.isFull && !this.isLingering && !this.isRepositioning;
  }

  /** True when everything that the partition had at the last response is processed. */
  get isDrained(): boolean {
    return this.processedOffset >= this.nextFetchOffset && this.nextFetchOffset >= this.highWatermark;
  }

  get isEmpty(): boolean {
    return this.fetched.length === 0;
  }

  /** Appends a response. @returns false when it has no whole batch: then nothing was appended. */
  add(fetched: FetchedPartition): boolean {
    this.highWatermark = fetched.highWatermark;
    const next = offsetAfter(fetched.bytes);
    if (next === undefined) return false;
    // A copy, because the bytes are a slice of the whole response. The slowest partition would keep all of it in
    // memory.
    this.fetched.push({ ...fetched, bytes: Buffer.from(fetched.bytes) });
    this.bytes += fetched.bytes.length;
    this.nextFetchOffset = next;
    const now = performance.now();
    this.recentBytes = this.recentBytes * 0.5 ** ((now - this.addedAtMs) / HALF_LIFE_MS) + fetched.bytes.length;
    this.addedAtMs = now;
    return true;
  }

  /** True when the partition receives so much over some time that few large fetches cost less than many small ones. */
  get isHighVolume(): boolean {
    return this.recentBytes >= HIGH_VOLUME_BYTES;
  }

  /**
   * Empties the queue.
   *
   * @returns the records, none if there were only markers; and the offset `next` to continue at.
   * @throws {UnreadableBatchError}
   */
  takeAll(): { records: readonly StoredRecord[]; next: number; highWatermark: number } {
    if (this.isFull) this.respondedAtMs = performance.now();
    const taken = this.fetched;
    this.fetched = [];
    this.bytes = 0;
    const records = taken.length === 1 ? decodeRecords(taken[0]!) : taken.flatMap((fetched) => decodeRecords(fetched));
    // Markers after the last record do not count as lag, because a reader has nothing to process there.
    const markers = records.length > 0 ? this.nextFetchOffset - records.at(-1)!.offset - 1 : 0;
    const highWatermark = (taken.at(-1)?.highWatermark ?? this.nextFetchOffset) - markers;
    return { records, next: this.nextFetchOffset, highWatermark };
  }
}
