/**
 * Puts changes into the log, each once: as the only writer of the events topics, and by reading back after anything unclear.
 *
 * States: closed → open → (a write fails) closed.
 * - open: this process is the only writer.
 * - closed: what the last writes did is unknown. Opening fences all earlier writers and reads each partition from its
 *   durable position to the fence: what is found there was stored and is not published again.
 */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { changeId, header } from "../contracts/event.ts";
import { eventsTopic } from "../contracts/topics.ts";
import type { Log, LogWriter, OutgoingRecord, TopicPartition } from "../kafka/log.ts";
import { partitionForKey } from "../kafka/partitioner.ts";
import { BatchSpans } from "../observability/batch-spans.ts";
import { SpanKind } from "../observability/trace.ts";
import { toEventRecord } from "./event-record.ts";
import { type OutboxRow, type Positions, positionKey } from "./outbox.ts";

/** Name of the relay's writer: whoever opens it last is the only one that can write. */
const WRITER = "lockstep.relay";

const idOf = ({ entity, id, version, resend }: OutboxRow): string =>
  changeId({ entity, id, version, resend: resend ?? undefined });

const publishSpans = (topic: string): BatchSpans =>
  new BatchSpans(`publish ${topic}`, {
    kind: SpanKind.PRODUCER,
    attributes: {
      "messaging.system": "kafka",
      "messaging.operation.name": "publish",
      "messaging.operation.type": "send",
      "messaging.destination.name": topic,
    },
  });

/** What is published of one entity at a time. */
interface EntityBatch {
  readonly entity: EntityDeclaration;
  readonly topic: string;
  /** By partition. */
  readonly records: readonly OutgoingRecord[][];
  readonly spans: BatchSpans;
}

/** @throws {Error} when a table was captured under a name that is not declared. */
function batchOf(lots: ReadonlyMap<string, EntityBatch>, row: OutboxRow): EntityBatch {
  const lot = lots.get(row.entity);
  if (!lot)
    throw new Error(
      `the outbox holds a change of "${row.entity}", which no declaration names: declare it, or delete the rows`,
    );
  return lot;
}

export class Publisher {
  private writer: LogWriter | undefined;
  private readonly partitions = new Map<string, number>();
  /** Changes that are in the log and that the outbox may still hold. */
  private readonly stored = new Set<string>();
  /** Traces that began here with the last batch, by the transaction. */
  private begun: ReadonlyMap<string, string> = new Map();
  /** Where each partition ends now. */
  private readonly positions: Positions = new Map();

  constructor(
    private readonly log: Log,
    private readonly entities: readonly EntityDeclaration[],
    /** As the outbox remembers them: every change that stands before these is no longer in the outbox. */
    private durable: Positions,
  ) {}

  get open(): boolean {
    return this.writer?.isOpen ?? false;
  }

  /** Fences every earlier relay and learns what is already stored. @throws {Error} when the brokers cannot be reached. */
  async reopen(): Promise<void> {
    await this.writer?.close();
    const places: TopicPartition[] = [];
    for (const entity of this.entities) {
      const topic = eventsTopic(entity).name;
      const count = await this.log.partitions(topic);
      this.partitions.set(topic, count);
      for (let partition = 0; partition < count; partition++) places.push({ topic, partition });
    }
    const writer = await this.log.openWriter(WRITER, places);
    await Promise.all(places.map((place) => this.readBack(place, writer.fenceOffset(place))));
    this.writer = writer;
  }

  private async readBack(place: TopicPartition, fencedAt: number): Promise<void> {
    const key = positionKey(place.topic, place.partition);
    // A position beyond the end belongs to a topic that was made anew.
    const from = Math.min(this.durable.get(key)?.next ?? 0, fencedAt);
    for await (const records of this.log.read(place, from, fencedAt))
      for (const record of records) {
        // A dead letter that was sent again has the id of its change, but is none of ours.
        const id = record.headers[header.replayOf] === undefined && record.headers[header.id];
        if (id) this.stored.add(id);
      }
    this.positions.set(key, { ...place, next: fencedAt });
  }

  /**
   * Publishes what is not stored yet. Resolves when the log has all rows.
   *
   * @returns how many were found stored instead of published.
   * @throws {WriterDeadError} when the outcome is unknown: {@link reopen}, then publish the same rows again.
   */
  async publish(rows: readonly OutboxRow[]): Promise<number> {
    const writer = this.writer;
    if (!writer) throw new Error("the publisher is closed");
    const fresh = this.stored.size === 0 ? rows : rows.filter((row) => !this.stored.has(idOf(row)));
    const lots = new Map(this.entities.map((entity) => [entity.name, this.lotOf(entity)]));
    const begun = new Map<string, string>();
    for (const row of fresh) {
      const { entity, records, spans } = batchOf(lots, row);
      const partition = partitionForKey(row.id, records.length);
      const { traceparent } = spans.of({
        // What a transaction wrote without a trace is one trace, also where it takes several batches.
        parent: row.traceparent ?? this.begun.get(row.transaction),
        together: row.transaction,
        attributes: {
          "messaging.destination.partition.id": String(partition),
          "messaging.kafka.message.key": row.id,
          "lockstep.entity.version": row.version,
        },
      });
      if (row.traceparent === null && traceparent) begun.set(row.transaction, traceparent);
      records[partition]!.push(toEventRecord(entity, row, traceparent));
    }
    this.begun = begun;
    const all = [...lots.values()];
    const outcomes = await Promise.allSettled(
      all.flatMap(({ topic, records }) =>
        records.map(async (those, partition) => {
          if (those.length === 0) return;
          const base = await writer.write({ topic, partition }, those);
          this.positions.set(positionKey(topic, partition), { topic, partition, next: base + those.length });
        }),
      ),
    );
    const failure = outcomes.find((outcome) => outcome.status === "rejected")?.reason;
    for (const { spans } of all) spans.end(failure);
    if (failure !== undefined) throw failure;
    return rows.length - fresh.length;
  }

  private lotOf(entity: EntityDeclaration): EntityBatch {
    const topic = eventsTopic(entity).name;
    const records = Array.from({ length: this.partitions.get(topic)! }, () => []);
    return { entity, topic, records, spans: publishSpans(topic) };
  }

  /**
   * Called with rows that {@link publish} has put into the log, as the outbox forgets them.
   *
   * @returns the positions to remember with that. They stay behind while other changes are known to be stored whose rows
   * are still in the outbox: the next relay must find those when it reads back.
   */
  settle(rows: readonly OutboxRow[]): Positions {
    if (this.stored.size > 0) for (const row of rows) this.stored.delete(idOf(row));
    if (this.stored.size === 0) this.durable = new Map(this.positions);
    return this.durable;
  }

  /** The outbox was seen empty: nothing that was read back can come again. */
  forgetStored(): void {
    this.stored.clear();
  }

  async close(): Promise<void> {
    await this.writer?.close();
  }
}
