/** One process' connection to the brokers: the interface of kafka/log.ts, with every fault that it allows. */
import {
  type ConsumeOptions,
  type Consumer,
  type Log,
  type LogWriter,
  type OffsetRange,
  type OutgoingRecord,
  partitionKey,
  RecordRejectedError,
  type StoredRecord,
  type TopicPartition,
  type Watcher,
  WriterDeadError,
} from "../../kafka/log.ts";
import { GroupMember, type LogDeps } from "./group-member.ts";
import { request } from "./request.ts";

/** Bytes of the largest value that a broker accepts. */
export const MAX_VALUE_BYTES = 2_000;
/** Records of one answer to a read. */
const READ_RECORDS = 12;

const NO_ANSWER = { noAnswer: () => new Error("the broker did not respond") };

/** The log of one process. */
export class SimulatedLog implements Log {
  constructor(private readonly deps: LogDeps) {}

  /** Some partitions are fenced before others: an earlier writer may still write to those in between. */
  async openWriter(name: string, partitions: readonly TopicPartition[]): Promise<LogWriter> {
    const { world, broker } = this.deps;
    const epoch = await this.ask(() => broker.nextEpoch(name));
    const ends = new Map<string, number>();
    const fence = (at: TopicPartition) => {
      const end = broker.fence(at, name, epoch);
      if (end === undefined) throw new WriterDeadError(name, true);
      ends.set(partitionKey(at), end);
    };
    const half = world.random.int(0, partitions.length);
    for (const part of [partitions.slice(0, half), partitions.slice(half)])
      if (part.length > 0) await this.ask(() => part.forEach(fence));
    return new SimulatedWriter(this.deps, { writer: name, epoch }, ends);
  }

  async *read(at: TopicPartition, from: number, to: number): AsyncIterable<readonly StoredRecord[]> {
    for (let next = from; next < to; ) {
      const records = await this.ask(() =>
        this.deps.broker.partition(at).records.slice(next, Math.min(to, next + READ_RECORDS)),
      );
      if (records.length === 0) throw new Error(`${partitionKey(at)} ends at offset ${next}, before ${to}`);
      yield records;
      next += records.length;
    }
  }

  offsets(topic: string): Promise<ReadonlyMap<number, OffsetRange>> {
    const { broker } = this.deps;
    return this.ask(() => {
      const ends = Array.from({ length: broker.partitionTotal }, (_, partition) => partition);
      return new Map(
        ends.map((partition) => [partition, { first: 0, next: broker.partition({ topic, partition }).records.length }]),
      );
    });
  }

  committedOffsets(group: string, topic: string): Promise<ReadonlyMap<number, number>> {
    const { broker, groups } = this.deps;
    return this.ask(() => {
      const { committed } = groups.group(group);
      const all = Array.from({ length: broker.partitionTotal }, (_, partition) => partition);
      return new Map(all.map((partition) => [partition, committed.get(partitionKey({ topic, partition })) ?? 0]));
    });
  }

  topicConfig(): Promise<ReadonlyMap<string, string>> {
    return this.ask(() => new Map());
  }

  topicIds(topics: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.ask(() => new Map(topics.map((topic) => [topic, "1"])));
  }

  /** Clients have it from their metadata, without a request. */
  async partitionCount(): Promise<number> {
    return this.deps.broker.partitionTotal;
  }

  async consume(options: ConsumeOptions): Promise<Consumer> {
    return new GroupMember(this.deps, options);
  }

  watch(): Promise<Watcher> {
    throw new Error("nothing in the simulation watches a topic");
  }

  async ensureTopics(): Promise<void> {}
  async close(): Promise<void> {}

  private ask<T>(effect: () => T): Promise<T> {
    return request(this.deps.world, this.deps.process, effect, NO_ANSWER);
  }
}

/** Writes to one partition one after the other; after a failure it is unknown what is stored, and the writer is dead. */
class SimulatedWriter implements LogWriter {
  isOpen = true;
  readonly openedAtMs = Date.now();
  private readonly lastWrites = new Map<string, Promise<unknown>>();

  constructor(
    private readonly deps: LogDeps,
    private readonly by: { readonly writer: string; readonly epoch: number },
    private readonly ends: ReadonlyMap<string, number>,
  ) {}

  readonly fenceOffset = (at: TopicPartition): number => {
    const end = this.ends.get(partitionKey(at));
    if (end === undefined) throw new Error(`the writer ${this.by.writer} does not have ${partitionKey(at)}`);
    return end;
  };

  write(at: TopicPartition, records: readonly OutgoingRecord[]): Promise<number> {
    const key = partitionKey(at);
    const earlier = this.lastWrites.get(key);
    const write = earlier ? earlier.then(() => this.send(at, records)) : this.send(at, records);
    this.lastWrites.set(
      key,
      write.catch(() => {}),
    );
    return write;
  }

  async close(): Promise<void> {
    this.isOpen = false;
  }

  private async send(at: TopicPartition, records: readonly OutgoingRecord[]): Promise<number> {
    const { world, process, broker } = this.deps;
    this.fenceOffset(at);
    if (!this.isOpen) throw this.dead(false);
    const isTooLarge =
      at.topic.endsWith(".events") && records.some(({ value }) => (value?.length ?? 0) > MAX_VALUE_BYTES);
    try {
      const base = await request(
        world,
        process,
        () => (isTooLarge ? "too large" : broker.append(at, records, this.by)),
        NO_ANSWER,
      );
      if (base === "too large") throw new RecordRejectedError(at, "too large", "MESSAGE_TOO_LARGE", records.length);
      if (base === undefined) throw this.dead(true);
      return base;
    } catch (error) {
      if (error instanceof RecordRejectedError) throw error;
      this.isOpen = false;
      throw error instanceof WriterDeadError ? error : this.dead(false);
    }
  }

  private dead(isFenced: boolean): WriterDeadError {
    return new WriterDeadError(this.by.writer, isFenced, "the broker did not respond");
  }
}
