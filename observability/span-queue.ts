/**
 * The queue of sampled spans before OpenTelemetry's batches. It adds what the batches lack: it counts queued and
 * dropped spans, and it stops the work for an unavailable collector.
 *
 * States:
 * - flowing: at most {@link MAX_QUEUED} spans wait for their batch. A batch that is not accepted → unavailable.
 * - unavailable: at most {@link MAX_RETAINED} spans are retained and retried with growing delays. Once they are full,
 *   `accepting` is false and no spans are made. Retained spans accepted → flowing.
 *
 * The exporter retries a batch for some seconds itself, so a collector that restarts quickly does not become
 * unavailable.
 */
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter, type SpanProcessor } from "@opentelemetry/sdk-trace";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { Outage } from "./outage.ts";
import { EXPORT_SUCCESS, sendSpans } from "./send-spans.ts";

/** Spans that may wait for their batch. Further spans are dropped. */
export const MAX_QUEUED = 8_192;
/** Enough to see the start of the outage in a trace, and few enough to encode at each retry. */
const MAX_RETAINED = 64;
const MAX_BATCH_SIZE = 512;
const SEND_INTERVAL_MS = 1_000;
const FIRST_RETRY_DELAY_MS = 1_000;
const MAX_RETRY_DELAY_MS = 5_000;

type ExportResult = Parameters<Parameters<SpanExporter["export"]>[1]>[0];

/** The processor of sampled spans. */
export class SpanQueue implements SpanProcessor {
  private queued = 0;
  /** Spans dropped since the collector became unavailable. */
  private dropped = 0;
  /** Undefined while flowing. */
  private retained: ReadableSpan[] | undefined;
  private retryDelayMs = FIRST_RETRY_DELAY_MS;
  private readonly batches: BatchSpanProcessor;
  private readonly outage: Outage;

  /** @param timeoutMs longer than the exporter's own timeout, so that its result of a batch is received. */
  constructor(
    private readonly deps: { readonly logger: Logger; readonly metrics: Pick<Metrics, "spans"> },
    private readonly exporter: SpanExporter,
    private readonly timeoutMs: number,
  ) {
    const failing = "spans cannot be sent; check OTEL_EXPORTER_OTLP_ENDPOINT and the collector. New spans are dropped";
    this.outage = new Outage(deps.logger, failing, "spans are sent again");
    this.batches = new BatchSpanProcessor({
      exporter: { export: (spans, done) => void this.export(spans, done), shutdown: () => exporter.shutdown() },
      maxQueueSize: MAX_QUEUED,
      maxExportBatchSize: MAX_BATCH_SIZE,
      scheduledDelayMillis: SEND_INTERVAL_MS,
      exportTimeoutMillis: 2 * timeoutMs,
    });
  }

  /** Number of spans that are not sent yet. */
  get size(): number {
    return this.queued + (this.retained?.length ?? 0);
  }

  /** False while a new span would be dropped. */
  get accepting(): boolean {
    return this.retained === undefined || this.retained.length < MAX_RETAINED;
  }

  /** Does nothing: spans are queued when they end. */
  onStart(): void {}

  /** Queues a span, or drops it if the queue is full. */
  onEnd(span: ReadableSpan): void {
    if (!this.accepting || this.queued >= MAX_QUEUED) this.drop(1);
    else if (this.retained) this.retained.push(span);
    else {
      this.queued++;
      this.batches.onEnd(span);
    }
  }

  /** Counts dropped spans, including those that were not made. */
  drop(count: number): void {
    this.dropped += count;
    this.deps.metrics.spans.inc({ outcome: "dropped" }, count);
  }

  /**
   * Sends the queued spans and waits for those in flight. Does neither while the collector is unavailable. Never
   * rejects.
   */
  async forceFlush(): Promise<void> {
    if (!this.retained) await Promise.allSettled([this.batches.forceFlush(), this.exporter.forceFlush?.()]);
  }

  /** Sends the queued spans and closes the exporter. */
  shutdown(): Promise<void> {
    return this.batches.shutdown();
  }

  /** Exports a batch. While the collector is unavailable, its spans go back through `onEnd` instead. */
  private async export(spans: ReadableSpan[], done: (result: ExportResult) => void): Promise<void> {
    this.queued -= spans.length;
    if (!this.retained) await this.send(spans);
    else for (const span of spans) this.onEnd(span);
    // The queue handles failures itself. The batches must not retry or report them.
    done({ code: EXPORT_SUCCESS });
  }

  private async send(spans: ReadableSpan[]): Promise<void> {
    const { outcome, error } = await sendSpans(this.exporter, spans, this.timeoutMs);
    if (outcome === "accepted") {
      this.onAccepted(spans.length);
      return;
    }
    const wasUnavailable = this.retained !== undefined;
    this.retained ??= [];
    if (outcome === "rejected") this.drop(spans.length);
    else for (const span of spans) this.onEnd(span);
    this.outage.failed(error, { dropped: this.dropped });
    if (!wasUnavailable) this.scheduleRetry();
  }

  /** Not `platform/async/retry`: this room imports no platform, and the timer must not keep the process alive. */
  private scheduleRetry(): void {
    setTimeout(() => void this.retryRetained(), this.retryDelayMs).unref();
  }

  private async retryRetained(): Promise<void> {
    const retained = this.retained ?? [];
    const spans = retained.slice();
    if (spans.length === 0) {
      this.scheduleRetry();
      return;
    }
    const { outcome, error } = await sendSpans(this.exporter, spans, this.timeoutMs);
    if (outcome !== "failed") retained.splice(0, spans.length);
    if (outcome === "accepted") {
      this.resume(retained);
      this.onAccepted(spans.length);
      return;
    }
    if (outcome === "rejected") this.drop(spans.length);
    this.outage.failed(error, { dropped: this.dropped });
    this.retryDelayMs = Math.min(2 * this.retryDelayMs, MAX_RETRY_DELAY_MS);
    this.scheduleRetry();
  }

  /** Enters the state flowing. @param rest spans that were retained during the last retry. */
  private resume(rest: readonly ReadableSpan[]): void {
    this.retained = undefined;
    this.retryDelayMs = FIRST_RETRY_DELAY_MS;
    for (const span of rest) this.onEnd(span);
  }

  private onAccepted(count: number): void {
    this.deps.metrics.spans.inc({ outcome: "exported" }, count);
    this.outage.ended({ dropped: this.dropped });
    this.dropped = 0;
  }
}
