/**
 * Tells on `lockstep.receipts` what this process has applied. Beside the flow: nothing waits for a receipt to be stored, and
 * one that cannot be stored is dropped and counted, since nobody takes silence for an answer.
 */
import { encodeReceipt, type Receipt } from "../contracts/receipt.ts";
import { receiptsTopic } from "../contracts/topics.ts";
import type { Log, LogWriter } from "../kafka/log.ts";
import { watchBuffer } from "../observability/gauges.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";

/** Receipts are gathered for so long: at 1,000 writes a second a write to the log for each batch would cost more than its apply. */
const GATHER_MS = 20;
/** Most receipts that wait; while the log is away the oldest go first. */
const MOST_WAITING = 1_000;
const REOPEN_MS = 1_000;
const LAST_FLUSH_MS = 1_000;

const place = { topic: receiptsTopic.name, partition: 0 };

/** The receipts of one process: gathered for {@link GATHER_MS}, at most {@link MOST_WAITING} waiting. */
export class Receipts {
  private waiting: string[] = [];
  private timer: Timer | undefined;
  private flushing: Promise<void> | undefined;
  private flushedAt = 0;
  private writer: LogWriter | undefined;
  private closed = false;

  /** @param writerName unlike any other process', or each would shut the other out. */
  constructor(
    private readonly deps: { readonly log: Log; readonly logger: Logger; readonly metrics: Metrics },
    private readonly writerName: string,
  ) {
    watchBuffer(deps.metrics, "receipts", MOST_WAITING, () => this.waiting.length);
  }

  add(receipt: Receipt): void {
    this.waiting.push(encodeReceipt(receipt));
    if (this.waiting.length > MOST_WAITING)
      this.dropped(this.waiting.splice(0, this.waiting.length - MOST_WAITING).length);
    this.plan();
  }

  /** Writes what waits, for a second at most. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await Promise.race([this.flushing?.then(() => this.flush()) ?? this.flush(), Bun.sleep(LAST_FLUSH_MS)]);
    await this.writer?.close();
  }

  private plan(): void {
    if (this.timer || this.flushing || this.closed) return;
    // One after a pause is told at once: it is the one that somebody waits for.
    const inMs = Math.max(0, this.flushedAt + GATHER_MS - performance.now());
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.flushing = this.flush().finally(() => {
        this.flushing = undefined;
        if (this.waiting.length > 0) this.plan();
      });
    }, inMs);
  }

  private async flush(): Promise<void> {
    this.flushedAt = performance.now();
    const taken = this.waiting;
    this.waiting = [];
    if (taken.length === 0) return;
    try {
      if (!this.writer?.isOpen) this.writer = await this.deps.log.openWriter(this.writerName, [place]);
      await this.writer.write(
        place,
        taken.map((value) => ({ key: null, value, headers: {} })),
      );
    } catch (error) {
      this.dropped(taken.length);
      this.deps.logger.debug({ err: error }, "receipts were dropped");
      if (!this.closed) await Bun.sleep(REOPEN_MS);
    }
  }

  private dropped(count: number): void {
    this.deps.metrics.receiptsDropped.inc(count);
  }
}
