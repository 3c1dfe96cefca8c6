/**
 * OpenTelemetry's batches, and what they do not tell: how many spans wait, how many are lost, and that nobody takes them. A batch that may
 * be taken later waits with the others; nobody awaits any.
 */
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter, type SpanProcessor } from "@opentelemetry/sdk-trace";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { Outage } from "./outage.ts";

/** Spans that wait; what comes then is dropped. */
export const MOST_WAITING = 8_192;
const MOST_AT_A_TIME = 512;
const SEND_EVERY_MS = 1_000;
/** Longer than the exporter tries, so that each batch comes to its own end before the next one begins. */
const EXPORT_TIMEOUT_MS = 15_000;
/** OpenTelemetry's code for a batch that was taken. */
const TAKEN = 0;

type ExportResult = Parameters<Parameters<SpanExporter["export"]>[1]>[0];

export class SpanQueue implements SpanProcessor {
  private waiting = 0;
  private dropped = 0;
  private readonly batches: BatchSpanProcessor;
  private readonly outage: Outage;

  constructor(
    private readonly using: { readonly logger: Logger; readonly metrics: Pick<Metrics, "spans"> },
    private readonly exporter: SpanExporter,
  ) {
    const failing = `spans cannot be sent; ${MOST_WAITING} wait at most, the rest is dropped`;
    this.outage = new Outage(using.logger, failing, "spans are sent again");
    this.batches = new BatchSpanProcessor({
      exporter: { export: (spans, done) => this.send(spans, done), shutdown: () => exporter.shutdown() },
      maxQueueSize: MOST_WAITING,
      maxExportBatchSize: MOST_AT_A_TIME,
      scheduledDelayMillis: SEND_EVERY_MS,
      exportTimeoutMillis: EXPORT_TIMEOUT_MS,
    });
  }

  get size(): number {
    return this.waiting;
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (this.waiting >= MOST_WAITING) {
      this.drop(1);
      return;
    }
    this.waiting++;
    this.batches.onEnd(span);
  }

  /** Sends what is left, and waits for what is under way as well. Never rejects. */
  async forceFlush(): Promise<void> {
    await Promise.allSettled([this.batches.forceFlush(), this.exporter.forceFlush?.()]);
  }

  shutdown(): Promise<void> {
    return this.batches.shutdown();
  }

  private send(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.waiting -= spans.length;
    this.exporter.export(spans, (result) => {
      if (result.code === TAKEN) {
        this.taken(spans.length);
        done(result);
        return;
      }
      this.notTaken(spans, result.error);
      // The next ones are tried when their time comes, not at once.
      setTimeout(() => done(result), SEND_EVERY_MS).unref();
    });
  }

  private taken(count: number): void {
    this.using.metrics.spans.inc({ outcome: "exported" }, count);
    this.outage.ended({ dropped: this.dropped });
    this.dropped = 0;
  }

  private notTaken(spans: readonly ReadableSpan[], error: unknown): void {
    const kept = isRefusal(error) ? [] : spans.slice(0, MOST_WAITING - this.waiting);
    for (const span of kept) this.onEnd(span);
    this.drop(spans.length - kept.length);
    this.outage.failed(error, { waiting: this.waiting, dropped: this.dropped });
  }

  private drop(count: number): void {
    this.dropped += count;
    this.using.metrics.spans.inc({ outcome: "dropped" }, count);
  }
}

/** The collector's answer was a status after which the same batch will not be taken either; those that may pass come without one. */
const isRefusal = (error: unknown): boolean => typeof (error as { code?: unknown } | undefined)?.code === "number";
