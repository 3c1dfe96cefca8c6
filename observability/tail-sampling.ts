/**
 * Decides at the end of a span whether it is exported: if its trace is sampled, or if the span failed or was slow.
 * OpenTelemetry's batches accept only spans with the sampled flag, so a span that is sampled this late is passed on
 * with the flag set.
 */
import { type Attributes, type Context, type HrTime, SpanStatusCode } from "@opentelemetry/api";
import type { ReadableSpan, Span, SpanProcessor } from "@opentelemetry/sdk-trace";
import { writeStartOf } from "./trace.ts";
import { SAMPLED } from "./traceparent.ts";

/** What is sampled, and where it goes. */
export interface TailSamplingOptions {
  /** A span of this duration or more is always sampled, in milliseconds. */
  readonly slowMs: number;
  /** Receives the sampled spans. */
  readonly next: SpanProcessor;
  /** Called for each span that is not sampled. */
  readonly onDropped: () => void;
}

/** The processor in front of the exporting one. */
export class TailSampler implements SpanProcessor {
  /** The SDK passes the context only to `onStart`, and a span has no place for a value that is not exported. */
  private readonly writeStarts = new WeakMap<object, number>();
  private readonly sampled = new WeakSet<object>();

  constructor(private readonly options: Pick<TailSamplingOptions, "slowMs" | "next" | "onDropped">) {}

  /** True for a span that has ended and was sampled. */
  isSampled(span: object): boolean {
    return this.sampled.has(span);
  }

  /** Remembers when the span's write started. */
  onStart(span: Span, context: Context): void {
    const writeStartMs = writeStartOf(context);
    if (writeStartMs !== undefined) this.writeStarts.set(span, writeStartMs);
    this.options.next.onStart(span, context);
  }

  /** Passes the span on if it is sampled. */
  onEnd(span: ReadableSpan): void {
    const isTraceSampled = (span.spanContext().traceFlags & SAMPLED) !== 0;
    const reason = isTraceSampled ? undefined : this.lateReason(span);
    if (!isTraceSampled && reason === undefined) {
      this.options.onDropped();
      return;
    }
    this.sampled.add(span);
    this.options.next.onEnd(reason === undefined ? span : markSampled(span, reason));
  }

  /** Flushes the next processor. */
  forceFlush(): Promise<void> {
    return this.options.next.forceFlush();
  }

  /** Shuts the next processor down. */
  shutdown(): Promise<void> {
    return this.options.next.shutdown();
  }

  private lateReason(span: ReadableSpan): "failed" | "slow" | undefined {
    if (span.status.code === SpanStatusCode.ERROR) return "failed";
    const startMs = this.writeStarts.get(span) ?? toMs(span.startTime);
    return toMs(span.endTime) - startMs >= this.options.slowMs ? "slow" : undefined;
  }
}

/**
 * A view of the span with the sampled flag, and with the reason as an attribute: it explains why the rest of the trace
 * is missing.
 */
function markSampled(span: ReadableSpan, reason: string): ReadableSpan {
  const context = span.spanContext();
  const attributes: Attributes = { ...span.attributes, "lockstep.kept": reason };
  const sampledContext = { ...context, traceFlags: context.traceFlags | SAMPLED };
  return Object.create(span, { attributes: { value: attributes }, spanContext: { value: () => sampledContext } });
}

const toMs = ([seconds, nanoseconds]: HrTime): number => seconds * 1_000 + nanoseconds / 1e6;
