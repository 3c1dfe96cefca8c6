/**
 * An in-memory implementation of the log, for schedules that a real broker cannot repeat. A write may fail before or
 * after it is stored, or arrive later, as a paused process' write does. It keeps the guarantee that the conformance suite
 * proves of the real log: a writer is fenced once a newer writer of the same name is open.
 */
import {
  type Consumer,
  type Log,
  type LogWriter,
  type OffsetRange,
  type OutgoingRecord,
  RecordRejectedError,
  type StoredRecord,
  type TopicPartition,
  type Watcher,
  type WatchOptions,
  WriterDeadError,
} from "../../kafka/log.ts";

/**
 * Outcome of one write. All but `stored` reject. `unknown` is stored now, `late` on {@link SimulatedLog.deliverDelayed}.
 * After `rejected` the writer stays open: the broker does not accept the records.
 */
export type WriteOutcome = "stored" | "lost" | "unknown" | "late" | "rejected";

const bytes = (value: string | Buffer | null): Buffer | null => (value === null ? null : Buffer.from(value));

/** The log. Only writes, reads and offsets are supported; other methods throw. */
export class SimulatedLog implements Log {
  private readonly store = new Map<string, StoredRecord[]>();
  private readonly firsts = new Map<string, number>();
  /** What compaction has deleted. */
  private readonly deleted = new Set<StoredRecord>();
  private readonly epochs = new Map<string, number>();
  private delayedWrites: (() => void)[] = [];

  constructor(
    private readonly partitionTotal: number,
    /** Called once for each write. */
    private readonly nextOutcome: () => WriteOutcome = () => "stored",
  ) {}

  /** Returns the stored records of a partition. Changes to the array change the log. */
  records(at: TopicPartition): StoredRecord[] {
    const key = `${at.topic}/${at.partition}`;
    const found = this.store.get(key) ?? [];
    this.store.set(key, found);
    return found;
  }

  /** Deletes the records before an offset, as `deleteTopicRecords` does. */
  deleteBefore({ topic, partition }: TopicPartition, offset: number): void {
    this.firsts.set(`${topic}/${partition}`, offset);
  }

  /** Deletes each record whose key has a later one, as compaction does. Offsets stay. */
  compact(at: TopicPartition): void {
    const all = this.records(at);
    const last = new Map(all.map((record) => [String(record.key), record]));
    for (const record of all) if (last.get(String(record.key)) !== record) this.deleted.add(record);
  }

  /** Delivers every delayed write now. Those of a fenced writer are discarded. */
  deliverDelayed(): void {
    const arriving = this.delayedWrites;
    this.delayedWrites = [];
    for (const arrive of arriving) arrive();
  }

  /** Stores records without a writer. @returns the offset of the first. */
  append(at: TopicPartition, records: readonly OutgoingRecord[], timestampMs = 0): number {
    const all = this.records(at);
    const base = all.length;
    for (const record of records) {
      const headers = Object.fromEntries(
        Object.entries(record.headers).map(([name, value]) => [name, value.toString()]),
      );
      all.push({
        ...at,
        offset: all.length,
        timestampMs,
        key: bytes(record.key),
        value: bytes(record.value),
        headers,
        rawHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Buffer.from(value)])),
      });
    }
    return base;
  }

  async openWriter(name: string, partitions: readonly TopicPartition[]): Promise<LogWriter> {
    const epoch = (this.epochs.get(name) ?? 0) + 1;
    this.epochs.set(name, epoch);
    const current = () => this.epochs.get(name) === epoch;
    const ends = new Map(partitions.map((at) => [`${at.topic}/${at.partition}`, this.records(at).length]));
    let open = true;
    const die = (fenced: boolean) => {
      open = false;
      return new WriterDeadError(name, fenced, "simulated");
    };
    return {
      openedAtMs: Date.now(),
      fenceOffset: (at) => ends.get(`${at.topic}/${at.partition}`)!,
      write: async (at, records) => {
        if (!open) throw die(false);
        const fate = this.nextOutcome();
        await Promise.resolve();
        if (fate === "late") this.delayedWrites.push(() => void (current() && this.append(at, records)));
        if (!current()) throw die(true);
        if (fate === "stored") return this.append(at, records);
        if (fate === "rejected") throw new RecordRejectedError(at, "too large", "MESSAGE_TOO_LARGE", records.length);
        if (fate === "unknown") this.append(at, records);
        throw die(false);
      },
      get isOpen() {
        return open;
      },
      close: async () => {
        open = false;
      },
    };
  }

  async *read(at: TopicPartition, from: number, to: number): AsyncIterable<readonly StoredRecord[]> {
    const first = this.firsts.get(`${at.topic}/${at.partition}`) ?? 0;
    const all = this.records(at).slice(Math.max(from, first), to);
    for (let i = 0; i < all.length; i += 7) {
      const records = all.slice(i, i + 7).filter((record) => !this.deleted.has(record));
      if (records.length > 0) yield records;
    }
  }

  async offsets(topic: string): Promise<ReadonlyMap<number, OffsetRange>> {
    const counts = Array.from({ length: this.partitionTotal }, (_, partition) => partition);
    return new Map(
      counts.map((partition) => [
        partition,
        { first: this.firsts.get(`${topic}/${partition}`) ?? 0, next: this.records({ topic, partition }).length },
      ]),
    );
  }

  async topicIds(topics: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return new Map(topics.map((topic) => [topic, "1"]));
  }

  async partitionCount(): Promise<number> {
    return this.partitionTotal;
  }

  consume(): Promise<Consumer> {
    throw new Error("the simulated log hands out no batches by itself");
  }

  topicConfig(): Promise<ReadonlyMap<string, string>> {
    throw new Error("the simulated log has no settings");
  }

  /** There is no group that has read anything. */
  async committedOffsets(): Promise<ReadonlyMap<number, number>> {
    return new Map();
  }

  watch(_options: WatchOptions): Promise<Watcher> {
    throw new Error("the simulated log hands out no batches by itself");
  }

  async ensureTopics(): Promise<void> {}
  async close(): Promise<void> {}
}
