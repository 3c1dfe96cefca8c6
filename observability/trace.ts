/**
 * Spans: one trace per write. Code starts and ends spans explicitly, and OpenTelemetry's SDK makes them. Automatic
 * instrumentation does not support Bun's server and does not survive a bundle. The context is passed as a value, never
 * through async context.
 *
 * Sampling is decided where a trace starts, and a flag carries the decision to all hops. Unsampled spans are recorded
 * too, which costs microseconds, and exported if they failed or were slow (tail-sampling.ts).
 */
import {
  type Attributes,
  type Context,
  createContextKey,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { nowMs } from "./clock.ts";
import { formatTraceparent, parseTraceparent, RANDOM, validTraceparent } from "./traceparent.ts";

export { newTraceparent, traceIdOf, validTraceparent } from "./traceparent.ts";
export { SpanKind };

/** A span that has started. */
export interface ActiveSpan {
  /**
   * Context for the next hop: this span's own. While spans are not accepted it is the parent's, or that of a new trace.
   * With tracing off it is the parent's, or undefined without a parent.
   */
  readonly traceparent: string | undefined;
  setAttributes(attributes: Attributes): void;
  /**
   * Links another span that this one also follows from. Ignores a malformed one; keeps only the last {@link MAX_LINKS}.
   */
  addLink(traceparent: string | null | undefined): void;
  /** Ends the span. With an error it ends as failed. Later calls do nothing. */
  end(error?: unknown): void;
  /** Id of the trace once the span has ended, if it is sampled; otherwise undefined. */
  readonly sampledTraceId: string | undefined;
}

/** Properties of a new span. */
export interface SpanOptions {
  /** `traceparent` of the previous hop. If it is missing or malformed, a new trace starts. */
  readonly parent?: string | null | undefined;
  /** Default: internal. */
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  /** Start of the span, in milliseconds since 1970. Default: now. */
  readonly startMs?: number;
  /**
   * Start of the write that this span completes, in milliseconds since 1970. The span counts as slow when the whole
   * write is. Default: `startMs`.
   */
  readonly writeStartMs?: number;
}

/** Largest number of links of a span (OpenTelemetry's default). */
export const MAX_LINKS = 128;

/** Makes the spans of this process. */
export interface Recorder {
  readonly tracer: Tracer;
  /** True for a span that has ended and is sampled. */
  readonly isSampled: (span: Span) => boolean;
  /** False while a new span would be dropped. */
  readonly accepting: () => boolean;
  /** Counts a span that is not made. @returns the context for the next hop: the parent's, or that of a new trace. */
  readonly propagate: (parent: string | null | undefined) => string;
}

/** Undefined while tracing is off: a span then only propagates its parent. */
let recorder: Recorder | undefined;

/** Sets the recorder of all later spans. Undefined turns tracing off. */
export function setRecorder(next: Recorder | undefined): void {
  recorder = next;
}

/** False while tracing is off. */
export const isTracing = (): boolean => recorder !== undefined;

/** A class, so that all instances share their methods: there may be one instance per message. */
class UnrecordedSpan implements ActiveSpan {
  readonly sampledTraceId = undefined;

  constructor(readonly traceparent: string | undefined) {}

  setAttributes(): void {}
  addLink(): void {}
  end(): void {}
}

/** Starts a span. With tracing off, or while spans are not accepted, it only propagates its parent. */
export function startSpan(name: string, options: SpanOptions): ActiveSpan {
  if (!recorder) return new UnrecordedSpan(validTraceparent(options.parent));
  return recorder.accepting()
    ? new RecordedSpan(name, options, recorder)
    : new UnrecordedSpan(recorder.propagate(options.parent));
}

const WRITE_START = createContextKey("start of the write");

/** `writeStartMs` of a span that starts in this context. */
export const writeStartOf = (context: Context): number | undefined =>
  context.getValue(WRITE_START) as number | undefined;

class RecordedSpan implements ActiveSpan {
  sampledTraceId: string | undefined;
  private readonly span: Span;
  private readonly startMs: number;
  /** The parent's flag that its trace id is random: OpenTelemetry's tracer drops it. */
  private readonly randomFlag: number;
  private ended = false;
  private cachedTraceparent: string | undefined;

  constructor(
    name: string,
    { parent, kind = SpanKind.INTERNAL, attributes = {}, startMs = nowMs(), writeStartMs }: SpanOptions,
    private readonly recorder: Recorder,
  ) {
    const parentContext = parseTraceparent(parent);
    const context = parentContext ? trace.setSpanContext(ROOT_CONTEXT, parentContext) : ROOT_CONTEXT;
    this.startMs = startMs;
    this.randomFlag = (parentContext?.traceFlags ?? 0) & RANDOM;
    this.span = recorder.tracer.startSpan(
      name,
      { kind, attributes, startTime: startMs },
      writeStartMs === undefined ? context : context.setValue(WRITE_START, writeStartMs),
    );
  }

  get traceparent(): string {
    this.cachedTraceparent ??= this.format();
    return this.cachedTraceparent;
  }

  setAttributes(attributes: Attributes): void {
    if (!this.ended) this.span.setAttributes(attributes);
  }

  addLink(traceparent: string | null | undefined): void {
    const linked = parseTraceparent(traceparent);
    if (linked && !this.ended) this.span.addLink({ context: linked });
  }

  end(error?: unknown): void {
    if (this.ended) return;
    this.ended = true;
    const { span } = this;
    if (error !== undefined) {
      span.setAttribute("error.type", error instanceof Error ? error.name : "_OTHER");
      span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) });
    }
    span.end(Math.max(this.startMs, nowMs()));
    if (this.recorder.isSampled(span)) this.sampledTraceId = span.spanContext().traceId;
  }

  private format(): string {
    const context = this.span.spanContext();
    return formatTraceparent({ ...context, traceFlags: context.traceFlags | this.randomFlag });
  }
}

/**
 * Without the stack, which the log has. During an outage of a database every request fails, and a stack costs more than
 * its request.
 */
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Runs `work` inside a span. If `work` throws, the span ends as failed. @throws whatever `work` throws. */
export async function withSpan<T>(
  name: string,
  options: SpanOptions,
  work: (span: ActiveSpan) => Promise<T>,
): Promise<T> {
  const span = startSpan(name, options);
  try {
    const result = await work(span);
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}
