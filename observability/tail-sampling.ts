/**
 * Decides when a span has ended whether it is kept: as a part of a trace that is, or for what became of it. OpenTelemetry's batches take only
 * what is flagged as sampled, so what is kept late is shown to them with that flag.
 */
import { type Attributes, type Context, type HrTime, SpanStatusCode } from "@opentelemetry/api";
import type { ReadableSpan, Span, SpanProcessor } from "@opentelemetry/sdk-trace";
import { sinceOf } from "./trace.ts";
import { SAMPLED } from "./traceparent.ts";

export interface TailSamplingOptions {
  /** A span that took so many milliseconds is kept in any case. */
  readonly slowMs: number;
  /** Takes those that are kept. */
  readonly next: SpanProcessor;
  /** A span ended that is not kept. */
  readonly onDropped: () => void;
}

export class TailSampler implements SpanProcessor {
  private readonly sinceMs = new WeakMap<object, number>();
  private readonly kept = new WeakSet<object>();

  constructor(private readonly keeping: TailSamplingOptions) {}

  /** Whether this span, which has ended, is kept. */
  isKept(span: object): boolean {
    return this.kept.has(span);
  }

  onStart(span: Span, context: Context): void {
    const sinceMs = sinceOf(context);
    if (sinceMs !== undefined) this.sinceMs.set(span, sinceMs);
    this.keeping.next.onStart(span, context);
  }

  onEnd(span: ReadableSpan): void {
    const sampled = (span.spanContext().traceFlags & SAMPLED) !== 0;
    const why = sampled ? undefined : this.whyKept(span);
    if (!sampled && why === undefined) {
      this.keeping.onDropped();
      return;
    }
    this.kept.add(span);
    this.keeping.next.onEnd(why === undefined ? span : keptLate(span, why));
  }

  forceFlush(): Promise<void> {
    return this.keeping.next.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.keeping.next.shutdown();
  }

  private whyKept(span: ReadableSpan): "failed" | "slow" | undefined {
    if (span.status.code === SpanStatusCode.ERROR) return "failed";
    const sinceMs = this.sinceMs.get(span) ?? toMs(span.startTime);
    return toMs(span.endTime) - sinceMs >= this.keeping.slowMs ? "slow" : undefined;
  }
}

/** The same span, flagged as sampled. Who looks at it must know why the rest of the trace is not there. */
function keptLate(span: ReadableSpan, why: string): ReadableSpan {
  const context = span.spanContext();
  const attributes: Attributes = { ...span.attributes, "lockstep.kept": why };
  const shown = { ...context, traceFlags: context.traceFlags | SAMPLED };
  return Object.create(span, { attributes: { value: attributes }, spanContext: { value: () => shown } });
}

const toMs = ([seconds, nanoseconds]: HrTime): number => seconds * 1_000 + nanoseconds / 1e6;
