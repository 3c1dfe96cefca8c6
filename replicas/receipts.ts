/**
 * Step *receipts*: reports on `lockstep.receipts` what this process has applied. No step waits for a receipt. While the
 * log is unavailable, receipts stay in a bounded queue. The oldest are dropped and counted, so a missing receipt does
 * not mean that a write is missing.
 */
import type { EntityDeclaration, ReplicaDeclaration } from "../contracts/entity/declaration.ts";
import type { Namespaced } from "../contracts/project.ts";
import { encodeReceipt, type Receipt } from "../contracts/receipt.ts";
import { receiptsTopic } from "../contracts/topics.ts";
import type { Log, LogWriter, TopicPartition } from "../kafka/log.ts";
import { watchBuffer } from "../observability/gauges.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { sleep } from "../platform/async/sleep.ts";
import { settlesWithin } from "../platform/async/timeout.ts";
import type { AppliedBatch } from "./apply/applier.ts";
import type { ReadableTimes } from "./apply/apply-observer.ts";
import type { ReceivedEvent } from "./decode.ts";

/** Receipts within this time share a log write: at 1,000 writes/s, one per batch would cost more than its apply. */
const COLLECT_MS = 20;
/** Queued receipts. While the log is unavailable the oldest are dropped. */
const MAX_QUEUED = 1_000;
/** Pause after a failed write to the log. */
const REOPEN_DELAY_MS = 1_000;
/** Time for the last receipts at shutdown. */
const LAST_FLUSH_MS = 1_000;

/** The receipt of a batch: each accepted entity with its present version and its commit time in the source. */
export const receiptOf = (
  { entity, replica }: { readonly entity: EntityDeclaration; readonly replica: ReplicaDeclaration },
  { accepted, unchanged }: Pick<AppliedBatch<ReceivedEvent>, "accepted" | "unchanged">,
  { appliedMs, cachedMs }: ReadableTimes,
): Receipt => ({
  replica: replica.name,
  entity: entity.name,
  appliedMs,
  cachedMs: cachedMs ?? null,
  changes: accepted.map(({ id, version, committedMs }) => [id, unchanged.get(id) ?? version, committedMs]),
});

/** Sends one process' receipts to the log, those of {@link COLLECT_MS} in one write. */
export class Receipts {
  private queue: string[] = [];
  private timer: Timer | undefined;
  private flushing: Promise<void> | undefined;
  private flushedAt = 0;
  private writer: LogWriter | undefined;
  private closed = false;
  private readonly partition: TopicPartition;

  /** @param writerName unique to the process: two writers of one name fence each other. */
  constructor(
    private readonly deps: {
      readonly log: Log;
      readonly logger: Logger;
      readonly metrics: Metrics;
      readonly project: Namespaced;
    },
    private readonly writerName: string,
  ) {
    this.partition = { topic: receiptsTopic(deps.project).name, partition: 0 };
    watchBuffer(deps.metrics, "receipts", MAX_QUEUED, () => this.queue.length);
  }

  /** Queues a receipt. Never throws and never waits. */
  add(receipt: Receipt): void {
    this.queue.push(encodeReceipt(receipt));
    this.dropOldest();
    this.schedule();
  }

  /** Writes the queued receipts, for at most one second, and closes the log writer. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await settlesWithin(this.flushing?.then(() => this.flush()) ?? this.flush(), LAST_FLUSH_MS);
    this.deps.metrics.receiptsDropped.inc(this.queue.splice(0).length);
    await this.writer?.close();
  }

  private schedule(): void {
    if (this.timer || this.flushing || this.closed) return;
    // The first receipt after a pause is sent at once: a client may be waiting for it.
    const delayMs = Math.max(0, this.flushedAt + COLLECT_MS - performance.now());
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.flushing = this.flush().finally(() => {
        this.flushing = undefined;
        if (this.queue.length > 0) this.schedule();
      });
    }, delayMs);
  }

  /** Never rejects. */
  private async flush(): Promise<void> {
    this.flushedAt = performance.now();
    const receipts = this.queue;
    this.queue = [];
    if (receipts.length === 0) return;
    try {
      if (!this.writer?.isOpen) this.writer = await this.deps.log.openWriter(this.writerName, [this.partition]);
      await this.writer.write(
        this.partition,
        receipts.map((value) => ({ key: null, value, headers: {} })),
      );
    } catch (error) {
      this.deps.logger.debug(
        { err: error, receipts: receipts.length },
        "receipts could not be written; retrying in 1 s",
      );
      // A receipt that is written twice changes nothing.
      this.queue = [...receipts, ...this.queue];
      this.dropOldest();
      if (!this.closed) await sleep(REOPEN_DELAY_MS);
    }
  }

  private dropOldest(): void {
    const excess = this.queue.length - MAX_QUEUED;
    if (excess > 0) this.deps.metrics.receiptsDropped.inc(this.queue.splice(0, excess).length);
  }
}
