/**
 * What was fetched of one partition and not yet processed. Bytes are kept as they came and decoded when their turn comes;
 * everything that waits is then given as one batch, so that a slow reader gets larger batches, not more of them.
 */
import type { StoredRecord, TopicPartition } from "../log.ts";
import { offsetAfter } from "../record-batch/decode.ts";
import { decodeRecords, type FetchedPartition } from "./fetch.ts";

/** What came counts half so much later, in milliseconds. */
const HALF_MS = 350;
/** Counted so, a megabyte a second comes to this: 1,300 events a second in one partition. */
const FLOOD_BYTES = 524_288;

export class PartitionQueue {
  private fetched: FetchedPartition[] = [];
  private bytes = 0;
  private recentBytes = 0;
  private addedAtMs = 0;
  /** False once the partition is no longer ours: nothing more of it is processed. */
  isOwned = true;
  /** A fetch that includes this partition is under way. */
  isFetching = false;
  /** Its offset was refused, and where to go on is being found out. */
  isRepositioning = false;
  /** Nothing is fetched of it for a moment, so that more comes with the next fetch. */
  isLingering = false;
  /** Where the next fetch begins. */
  nextFetchOffset: number;
  /** Everything before this is processed. */
  processedOffset: number;
  /** When a broker last answered for this partition, or it needed none because enough waits here; by `performance.now()`. */
  respondedAtMs = performance.now();

  /** @param committedOffset what the group's coordinator has stored; undefined for nothing. */
  constructor(
    readonly topicPartition: TopicPartition,
    start: number,
    public committedOffset: number | undefined,
    readonly maxBytes: number,
  ) {
    this.nextFetchOffset = start;
    this.processedOffset = start;
  }

  get isFull(): boolean {
    return this.bytes >= this.maxBytes;
  }

  get isEmpty(): boolean {
    return this.fetched.length === 0;
  }

  add(fetched: FetchedPartition): void {
    const next = offsetAfter(fetched.bytes);
    if (next === undefined) return;
    // A copy: the bytes are part of the whole answer, which would be kept alive by the slowest of its partitions.
    this.fetched.push({ ...fetched, bytes: Buffer.from(fetched.bytes) });
    this.bytes += fetched.bytes.length;
    this.nextFetchOffset = next;
    const now = performance.now();
    this.recentBytes = this.recentBytes * 0.5 ** ((now - this.addedAtMs) / HALF_MS) + fetched.bytes.length;
    this.addedAtMs = now;
  }

  /** Whether so much comes, not only at this moment, that few large fetches are better than many small ones. */
  get isHighVolume(): boolean {
    return this.recentBytes >= FLOOD_BYTES;
  }

  /**
   * All that waits. There may be no records, when there were only markers. `next` is where to go on after it.
   *
   * @throws {UnreadableBatchError}
   */
  takeAll(): { records: readonly StoredRecord[]; next: number; highWatermark: number } {
    const taken = this.fetched;
    this.fetched = [];
    this.bytes = 0;
    const records = taken.flatMap((fetched) => decodeRecords(fetched));
    // Markers that follow the last record are nothing that a reader still has to read.
    const markers = records.length > 0 ? this.nextFetchOffset - records.at(-1)!.offset - 1 : 0;
    const highWatermark = (taken.at(-1)?.highWatermark ?? this.nextFetchOffset) - markers;
    return { records, next: this.nextFetchOffset, highWatermark };
  }
}
