/**
 * OpenTelemetry's batches, and what they do not do: tell how many spans wait and how many are lost, and stop working for a collector that is
 * away.
 *
 * States:
 * - flowing: spans wait for their batch, {@link MAX_QUEUED} at most. A batch that is not taken → away.
 * - away: up to {@link MOST_KEPT} spans are kept, nobody makes any others ({@link takes}). Those few are sent after pauses that grow; taken → flowing.
 *
 * The exporter tries a batch for some seconds, again and again, before it gives it up: what is back by then was not away.
 */
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter, type SpanProcessor } from "@opentelemetry/sdk-trace";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { Outage } from "./outage.ts";
import { ACCEPTED, sendSpans } from "./send-spans.ts";

/** Spans that wait; what comes then is dropped. */
export const MAX_QUEUED = 8_192;
/** Enough to see of a trace what went on when the collector went away, and nothing to encode again and again. */
const MOST_KEPT = 64;
const MOST_AT_A_TIME = 512;
const SEND_EVERY_MS = 1_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 5_000;

type ExportResult = Parameters<Parameters<SpanExporter["export"]>[1]>[0];

export class SpanQueue implements SpanProcessor {
  private waiting = 0;
  private dropped = 0;
  /** Undefined: flowing. */
  private kept: ReadableSpan[] | undefined;
  private pauseMs = FIRST_PAUSE_MS;
  private readonly batches: BatchSpanProcessor;
  private readonly outage: Outage;

  /** @param timeoutMs longer than the exporter tries, so that what it says of a batch is heard. */
  constructor(
    private readonly deps: { readonly logger: Logger; readonly metrics: Pick<Metrics, "spans"> },
    private readonly exporter: SpanExporter,
    private readonly timeoutMs: number,
  ) {
    const failing = "spans cannot be sent; until they can, new ones are counted and not made";
    this.outage = new Outage(deps.logger, failing, "spans are sent again");
    this.batches = new BatchSpanProcessor({
      exporter: { export: (spans, done) => void this.batch(spans, done), shutdown: () => exporter.shutdown() },
      maxQueueSize: MAX_QUEUED,
      maxExportBatchSize: MOST_AT_A_TIME,
      scheduledDelayMillis: SEND_EVERY_MS,
      exportTimeoutMillis: 2 * timeoutMs,
    });
  }

  /** Spans that wait. */
  get size(): number {
    return this.waiting + (this.kept?.length ?? 0);
  }

  /** False while a span would be made only to be thrown away. */
  get accepting(): boolean {
    return this.kept === undefined || this.kept.length < MOST_KEPT;
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (!this.accepting || this.waiting >= MAX_QUEUED) this.drop(1);
    else if (this.kept) this.kept.push(span);
    else {
      this.waiting++;
      this.batches.onEnd(span);
    }
  }

  /** Counts spans as lost, also such as were not made. */
  drop(count: number): void {
    this.dropped += count;
    this.deps.metrics.spans.inc({ outcome: "dropped" }, count);
  }

  /** Sends what is left, and waits for what is under way as well; while the collector is away, neither. Never rejects. */
  async forceFlush(): Promise<void> {
    if (!this.kept) await Promise.allSettled([this.batches.forceFlush(), this.exporter.forceFlush?.()]);
  }

  shutdown(): Promise<void> {
    return this.batches.shutdown();
  }

  /** What the batches still have when the collector is known to be away passes by here as well. */
  private async batch(spans: ReadableSpan[], done: (result: ExportResult) => void): Promise<void> {
    this.waiting -= spans.length;
    if (!this.kept) await this.first(spans);
    else for (const span of spans) this.onEnd(span);
    // Nobody else has to know what became of them.
    done({ code: ACCEPTED });
  }

  private async first(spans: ReadableSpan[]): Promise<void> {
    const { outcome, error } = await sendSpans(this.exporter, spans, this.timeoutMs);
    if (outcome === "taken") {
      this.taken(spans.length);
      return;
    }
    const known = this.kept !== undefined;
    this.kept ??= [];
    if (outcome === "refused") this.drop(spans.length);
    else for (const span of spans) this.onEnd(span);
    this.outage.failed(error, { dropped: this.dropped });
    if (!known) this.tryLater();
  }

  private tryLater(): void {
    setTimeout(() => void this.again(), this.pauseMs).unref();
  }

  private async again(): Promise<void> {
    const kept = this.kept ?? [];
    const spans = kept.slice();
    if (spans.length === 0) {
      this.tryLater();
      return;
    }
    const { outcome, error } = await sendSpans(this.exporter, spans, this.timeoutMs);
    if (outcome !== "failed") kept.splice(0, spans.length);
    if (outcome === "taken") {
      this.flow(kept);
      this.taken(spans.length);
      return;
    }
    if (outcome === "refused") this.drop(spans.length);
    this.outage.failed(error, { dropped: this.dropped });
    this.pauseMs = Math.min(2 * this.pauseMs, LONGEST_PAUSE_MS);
    this.tryLater();
  }

  private flow(rest: readonly ReadableSpan[]): void {
    this.kept = undefined;
    this.pauseMs = FIRST_PAUSE_MS;
    for (const span of rest) this.onEnd(span);
  }

  private taken(count: number): void {
    this.deps.metrics.spans.inc({ outcome: "exported" }, count);
    this.outage.ended({ dropped: this.dropped });
    this.dropped = 0;
  }
}
