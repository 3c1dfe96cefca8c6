/**
 * Writes each change to the log once. It is the only writer of the events topics, and reads them back after a failure.
 *
 * States: closed → open → (a write fails) closed.
 * - closed: it is unknown what the last writes stored. {@link Publisher.reopen} fences all earlier writers and reads
 *   each partition from its saved position to the fence. A change that is found there is not written again.
 * - open: this process is the only writer.
 */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { changeId, header } from "../contracts/event.ts";
import { eventsTopic } from "../contracts/topics.ts";
import { type Log, type LogWriter, partitionKey, type TopicPartition } from "../kafka/log.ts";
import type { OutboxRow, Positions } from "./outbox.ts";
import { PublishBatch } from "./publish-batch.ts";

/** Name of the relay's writer. Opening it fences every other process that has it open. */
const WRITER = "lockstep.relay";

const changeIdOf = ({ entity, id, version, resend }: OutboxRow): string =>
  changeId({ entity, id, version, resend: resend ?? undefined });

/** The leading relay has one; {@link Publisher.reopen} must succeed before the first publish. */
export class Publisher {
  private writer: LogWriter | undefined;
  /** Number of partitions by events topic. */
  private readonly partitions = new Map<string, number>();
  /** Ids of changes that are in the log and may still be in the outbox. */
  private readonly storedChanges = new Set<string>();
  private transactionTraces: ReadonlyMap<string, string> = new Map();
  /** End of each partition. */
  private readonly positions: Positions = new Map();

  /** @param savedPositions as the outbox has them. No change before them is in the outbox. */
  constructor(
    private readonly log: Log,
    private readonly entities: readonly EntityDeclaration[],
    private savedPositions: Positions,
  ) {}

  get isOpen(): boolean {
    return this.writer?.isOpen ?? false;
  }

  /** Fences other relays and reads back which changes are stored. @throws {Error} when the brokers are unavailable. */
  async reopen(): Promise<void> {
    await this.close();
    const partitions: TopicPartition[] = [];
    for (const entity of this.entities) {
      const topic = eventsTopic(entity).name;
      const count = await this.log.partitionCount(topic);
      this.partitions.set(topic, count);
      for (let partition = 0; partition < count; partition++) partitions.push({ topic, partition });
    }
    const writer = await this.log.openWriter(WRITER, partitions);
    await Promise.all(partitions.map((at) => this.readBack(at, writer.fenceOffset(at))));
    this.writer = writer;
  }

  /**
   * Writes the changes that are not stored yet. Resolves when the log has all of them.
   *
   * @returns how many were already stored.
   * @throws {WriterDeadError} when it is unknown what was stored: call {@link reopen}, then publish the rows again.
   * @throws {Error} when a row cannot be encoded ({@link PublishBatch.add}); the publisher stays open.
   */
  async publish(rows: readonly OutboxRow[]): Promise<number> {
    const { writer } = this;
    if (!writer) throw new Error("the publisher is not open; call reopen() before publish()");
    const unpublished =
      this.storedChanges.size === 0 ? rows : rows.filter((row) => !this.storedChanges.has(changeIdOf(row)));
    const batch = new PublishBatch(this.entities, this.partitions, this.transactionTraces);
    for (const row of unpublished) batch.add(row);
    this.transactionTraces = batch.startedTraces;
    const writes = await Promise.allSettled(
      batch.partitions().map(async ({ at, records }) => {
        const base = await writer.write(at, records);
        this.positions.set(partitionKey(at), { ...at, next: base + records.length });
      }),
    );
    const failed = writes.find((result) => result.status === "rejected");
    batch.endSpans(failed?.reason);
    if (failed) throw failed.reason;
    return rows.length - unpublished.length;
  }

  /**
   * Returns the positions to save in the transaction that deletes these published rows. The positions do not advance
   * while other stored changes still have rows in the outbox: the next relay must find those when it reads back.
   */
  positionsAfter(rows: readonly OutboxRow[]): Positions {
    if (this.storedChanges.size > 0) for (const row of rows) this.storedChanges.delete(changeIdOf(row));
    if (this.storedChanges.size === 0) this.savedPositions = new Map(this.positions);
    return this.savedPositions;
  }

  /** Forgets the stored changes. Call it when the outbox is empty: none of them can come again. */
  clearStoredChanges(): void {
    this.storedChanges.clear();
  }

  async close(): Promise<void> {
    await this.writer?.close();
  }

  private async readBack(at: TopicPartition, fenceOffset: number): Promise<void> {
    const key = partitionKey(at);
    // A saved position beyond the end belongs to a topic that was deleted and created again.
    const from = Math.min(this.savedPositions.get(key)?.next ?? 0, fenceOffset);
    for await (const records of this.log.read(at, from, fenceOffset))
      for (const { headers } of records) {
        // A replayed dead letter has the id of its change, but the relay did not write it.
        const id = headers[header.replayOf] === undefined && headers[header.id];
        if (id) this.storedChanges.add(id);
      }
    this.positions.set(key, { ...at, next: fenceOffset });
  }
}
