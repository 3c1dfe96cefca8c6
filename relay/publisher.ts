/**
 * Writes each change to the log once. It is the only writer of the events topics, and reads them back after a failure.
 *
 * States: closed → open → (a write fails) closed.
 * - closed: it is unknown what the last writes stored. {@link Publisher.reopen} fences all earlier writers and reads
 *   each partition from its saved position to the fence. A change that is found there is not written again.
 * - open: this process is the only writer.
 */
import { changeId, header } from "../contracts/event.ts";
import { type Project, qualify } from "../contracts/project.ts";
import { eventsTopic } from "../contracts/topics.ts";
import { type Log, type LogWriter, partitionKey, type TopicPartition } from "../kafka/log.ts";
import type { LostRange } from "./lost-events.ts";
import type { OutboxRow, Positions, RejectedRow } from "./outbox.ts";
import { PublishBatch, type PublishTarget } from "./publish-batch.ts";
import { writeAccepted } from "./write-accepted.ts";

/** Name of the relay's writer. Opening it fences every other process that has it open. */
const WRITER = "lockstep.relay";

const changeIdOf = ({ entity, id, version, resend }: OutboxRow): string =>
  changeId({ entity, id, version, resend: resend ?? undefined });

/** What a publish did with its rows. All that it does not name were written. */
interface Published {
  /** How many were already stored. */
  readonly recovered: number;
  /** Rows that cannot be sent. The log has nothing of them. */
  readonly rejected: readonly RejectedRow[];
}

/** The leading relay has one; {@link Publisher.reopen} must succeed before the first publish. */
export class Publisher {
  private writer: LogWriter | undefined;
  /** By the name of their entity. */
  private readonly targets = new Map<string, PublishTarget>();
  /** Ids of changes that are in the log and may still be in the outbox. */
  private readonly storedChanges = new Set<string>();
  private transactionTraces: ReadonlyMap<string, string> = new Map();
  /** End of each partition. */
  private readonly positions: Positions = new Map();
  /** Partitions whose end is not saved yet. */
  private readonly unsaved = new Set<string>();

  /** Partitions that were created again while the writer was open, and the offset of its first record there. */
  private readonly recreated = new Map<string, number>();

  /**
   * @param savedPositions as the outbox has them. No change before them is in the outbox.
   * @param recordLoss saves what the log has lost, and where each loss begins as position. It may be called again after
   * a failure.
   */
  constructor(
    private readonly log: Log,
    private readonly project: Pick<Project, "namespace" | "allEntities">,
    private readonly savedPositions: Positions,
    private readonly recordLoss: (lost: readonly LostRange[]) => Promise<void>,
  ) {}

  get isOpen(): boolean {
    return this.writer?.isOpen ?? false;
  }

  /**
   * Fences other relays, reads back which changes are stored, and reports what the log has lost.
   *
   * @throws {Error} when the brokers are unavailable, or whatever `recordLoss` throws.
   */
  async reopen(): Promise<void> {
    await this.close();
    for (const entity of this.project.allEntities) {
      const topic = eventsTopic(entity).name;
      const length = await this.log.partitionCount(topic);
      const partitions = Array.from({ length }, (_, partition) => ({ topic, partition }));
      this.targets.set(entity.name, { entity, topic, partitions });
    }
    const partitions = [...this.targets.values()].flatMap((target) => target.partitions);
    const writer = await this.log.openWriter(qualify(this.project, WRITER), partitions);
    await this.reportLoss(partitions, writer);
    this.storedChanges.clear(); // The log may have lost some of them.
    await Promise.all(partitions.map((at) => this.readBack(at, writer.fenceOffset(at))));
    this.recreated.clear();
    this.writer = writer;
  }

  /**
   * Writes the changes that are not stored yet. Resolves when the log has all of them, except those that it can never
   * have.
   *
   * @throws {WriterDeadError} when it is unknown what was stored: call {@link reopen}, then publish the rows again.
   */
  async publish(rows: readonly OutboxRow[]): Promise<Published> {
    const { writer } = this;
    if (!writer) throw new Error("the publisher is not open; call reopen() before publish()");
    const unpublished =
      this.storedChanges.size === 0 ? rows : rows.filter((row) => !this.storedChanges.has(changeIdOf(row)));
    const batch = new PublishBatch(this.targets, this.transactionTraces);
    for (const row of unpublished) batch.add(row);
    this.transactionTraces = batch.startedTraces;
    const writes = await Promise.allSettled(
      batch.partitions().map(async (partition) => {
        const { at, records } = partition;
        const { rejected, stored } = await writeAccepted(writer, at, records);
        batch.reject(partition, rejected);
        if (!stored) return;
        await this.checkBase(writer, at, stored.base);
        this.setPosition(at, stored.next);
      }),
    );
    const failed = writes.find((result) => result.status === "rejected");
    batch.endSpans(failed?.reason);
    if (failed) throw failed.reason;
    return { recovered: rows.length - unpublished.length, rejected: batch.rejected };
  }

  /**
   * Returns the positions to save in the transaction that deletes these published rows: those that have changed. None
   * advances while other stored changes still have rows in the outbox: the next relay must find those when it reads
   * back.
   */
  positionsAfter(rows: readonly OutboxRow[]): Positions {
    const changed: Positions = new Map();
    if (this.storedChanges.size > 0) for (const row of rows) this.storedChanges.delete(changeIdOf(row));
    if (this.storedChanges.size > 0) return changed;
    for (const key of this.unsaved) changed.set(key, this.positions.get(key)!);
    for (const [key, position] of changed) this.savedPositions.set(key, position);
    this.unsaved.clear();
    return changed;
  }

  /**
   * Forgets the stored changes that have no row among these: they were deleted, and cannot come again. While there is
   * a stored change, positions are not saved.
   *
   * @param rows every committed row of the outbox.
   */
  keepStoredChanges(rows: readonly OutboxRow[]): void {
    if (this.storedChanges.size === 0) return;
    const present = new Set(rows.map(changeIdOf));
    for (const change of this.storedChanges) if (!present.has(change)) this.storedChanges.delete(change);
  }

  async close(): Promise<void> {
    await this.writer?.close();
  }

  /**
   * This process is the only writer, so a partition never ends before what was written. If it does, it was created
   * again, or its broker lost its disk or was put back from an older backup.
   */
  private async checkBase(writer: LogWriter, at: TopicPartition, base: number): Promise<void> {
    const key = partitionKey(at);
    const end = this.positions.get(key)?.next ?? 0;
    if (base >= end) return;
    // Nothing fences earlier relays in the new partition yet.
    this.recreated.set(key, base);
    await writer.close();
    throw new Error(`${key} was created again: it stored a record at offset ${base}, and had ended at ${end}`);
  }

  private async reportLoss(partitions: readonly TopicPartition[], writer: LogWriter): Promise<void> {
    const lost = partitions.flatMap((at): LostRange[] => {
      const key = partitionKey(at);
      const to = Math.max(this.savedPositions.get(key)?.next ?? 0, this.positions.get(key)?.next ?? 0);
      const from = this.recreated.get(key) ?? writer.fenceOffset(at);
      return from < to ? [{ ...at, from, to }] : [];
    });
    if (lost.length === 0) return;
    await this.recordLoss(lost);
    for (const { topic, partition, from } of lost) {
      const at = { topic, partition };
      const key = partitionKey(at);
      // A saved position before the loss stays: stored changes that follow it are still in the outbox.
      this.savedPositions.set(key, { ...at, next: Math.min(this.savedPositions.get(key)?.next ?? 0, from) });
      this.positions.delete(key);
      this.unsaved.delete(key);
    }
  }

  private setPosition(at: TopicPartition, next: number): void {
    const key = partitionKey(at);
    this.positions.set(key, { ...at, next });
    this.unsaved.add(key);
  }

  private async readBack(at: TopicPartition, fenceOffset: number): Promise<void> {
    const key = partitionKey(at);
    const from = Math.min(this.savedPositions.get(key)?.next ?? 0, fenceOffset);
    for await (const records of this.log.read(at, from, fenceOffset))
      for (const { headers } of records) {
        // A replayed dead letter has the id of its change, but the relay did not write it.
        const id = headers[header.replayOf] === undefined && headers[header.id];
        if (id) this.storedChanges.add(id);
      }
    this.setPosition(at, fenceOffset);
  }
}
