/** The log's brokers: partitions, the fences of writers, and consumer groups. Nothing in here fails or takes time. */
import type { OutgoingRecord, StoredRecord, TopicPartition } from "../../kafka/log.ts";
import { partitionKey } from "../../kafka/log.ts";
import { START_MS } from "./globals.ts";
import type { World } from "./world.ts";

const bytesOf = (value: string | Buffer | null): Buffer | null =>
  typeof value === "string" ? Buffer.from(value) : value;

/** A record, which makes its headers only when they are read. */
class BrokerRecord implements StoredRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    at: TopicPartition,
    readonly offset: number,
    readonly timestampMs: number,
    { key, value, headers }: OutgoingRecord,
  ) {
    this.topic = at.topic;
    this.partition = at.partition;
    this.key = bytesOf(key);
    this.value = bytesOf(value);
    const texts: Record<string, string> = {};
    for (const name in headers) texts[name] = String(headers[name]);
    this.headers = texts;
  }

  get rawHeaders(): Readonly<Record<string, Buffer>> {
    return Object.fromEntries(Object.entries(this.headers).map(([name, value]) => [name, Buffer.from(value)]));
  }
}

/** One partition. */
export interface BrokerPartition {
  readonly at: TopicPartition;
  readonly records: StoredRecord[];
  /** Epoch of the newest writer, by the writer's name. */
  readonly fences: Map<string, number>;
  /** Called after each append. */
  readonly watchers: Set<() => void>;
}

/** All partitions of all topics. */
export class Broker {
  private readonly partitions = new Map<string, BrokerPartition>();
  private readonly epochs = new Map<string, number>();

  constructor(
    private readonly world: World,
    /** Number of partitions of each topic. */
    readonly partitionTotal: number,
  ) {}

  partition(at: TopicPartition): BrokerPartition {
    const key = partitionKey(at);
    let found = this.partitions.get(key);
    if (!found) {
      const { topic, partition } = at;
      found = { at: { topic, partition }, records: [], fences: new Map(), watchers: new Set() };
      this.partitions.set(key, found);
    }
    return found;
  }

  /** Every record of a topic, partition by partition. */
  recordsOf(topic: string): StoredRecord[] {
    return Array.from(
      { length: this.partitionTotal },
      (_, partition) => this.partition({ topic, partition }).records,
    ).flat();
  }

  /** The epoch of a new writer: higher than that of every earlier one of its name. */
  nextEpoch(writer: string): number {
    const epoch = (this.epochs.get(writer) ?? 0) + 1;
    this.epochs.set(writer, epoch);
    return epoch;
  }

  /** Fences earlier writers out of one partition. @returns its end; undefined when a newer writer has fenced this one. */
  fence(at: TopicPartition, writer: string, epoch: number): number | undefined {
    const { fences, records } = this.partition(at);
    if ((fences.get(writer) ?? 0) > epoch) return undefined;
    fences.set(writer, epoch);
    return records.length;
  }

  /** @returns the offset of the first record; undefined when the writer is fenced. */
  append(
    at: TopicPartition,
    records: readonly OutgoingRecord[],
    by?: { readonly writer: string; readonly epoch: number },
  ): number | undefined {
    const partition = this.partition(at);
    if (by && (partition.fences.get(by.writer) ?? 0) > by.epoch) return undefined;
    const base = partition.records.length;
    const timestampMs = START_MS + Math.floor(this.world.now);
    for (const record of records)
      partition.records.push(new BrokerRecord(partition.at, partition.records.length, timestampMs, record));
    this.world.trace(this.world.outside, () => {
      const what = partition.records
        .slice(base)
        .map(({ key, headers }) => `${key ?? "?"} v${headers.ce_entityversion ?? "?"}`);
      return `${partitionKey(at)} stores ${what.join(", ")} from offset ${base}`;
    });
    for (const watch of partition.watchers) watch();
    return base;
  }
}
