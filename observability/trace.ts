/**
 * One trace per write. Spans are begun and ended by hand, and made by OpenTelemetry's SDK: automatic patching does not see Bun's server
 * and breaks in a bundle. The context travels as a W3C `traceparent` in our own rows and headers, and is handed on as a value, never through the
 * ambient async context.
 *
 * Whether a trace is kept is decided where it begins, and told to all its hops by a flag. A span of a trace that is not to be kept
 * is recorded all the same, which costs microseconds, and kept at its end if it failed or was slow.
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
import { format, parse, RANDOM, validTraceparent } from "./traceparent.ts";

export { newTraceparent, traceIdOf, validTraceparent } from "./traceparent.ts";
export { SpanKind };

export interface ActiveSpan {
  /**
   * To hand on to the next hop: this span's context. While nobody takes spans the parent's, or that of a new trace; with tracing off the
   * parent's, or undefined where there is none.
   */
  readonly traceparent: string | undefined;
  set(attributes: Attributes): void;
  /** Names another span, of any trace, that this one came from as well. A malformed one is left out; so are the first ones beyond {@link MAX_LINKS}. */
  link(traceparent: string | null | undefined): void;
  /** Ends the span, as failed when there is an error. To be called once; later calls do nothing. */
  end(error?: unknown): void;
  /** The trace's id once the span has ended and is kept; undefined before that, and for one that is not. */
  readonly sampledTraceId: string | undefined;
}

export interface SpanOptions {
  /** `traceparent` of the hop before; a malformed one counts as none, and a new trace begins. */
  readonly parent?: string | null | undefined;
  /** What part it plays between services. Default: internal to one. */
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  /** When it began, in milliseconds since 1970. Default: now. */
  readonly startMs?: number;
  /** When the write began that it is the last part of, likewise: it is slow when the whole was. Default: `startMs`. */
  readonly sinceMs?: number;
}

/** Most links of one span (OpenTelemetry's own default). */
export const MAX_LINKS = 128;

/** Who makes the spans of this process. */
export interface Recorder {
  readonly tracer: Tracer;
  /** Whether a span of its tracer's that has ended is kept. */
  readonly isKept: (span: Span) => boolean;
  /** False while spans would be made only to be thrown away. */
  readonly accepting: () => boolean;
  /** Counts a span that is not made. @returns what it hands on: its parent's context, or that of a trace that begins here. */
  readonly propagate: (parent: string | null | undefined) => string;
}

/** Undefined while tracing is off, so that a span then costs no more than handing its parent on. */
let recorder: Recorder | undefined;

/** From now on spans of this process go to `to`; with undefined, nowhere. */
export function recordSpans(to: Recorder | undefined): void {
  recorder = to;
}

/** False while tracing is off. */
export const isTracing = (): boolean => recorder !== undefined;

/** One object of one shape instead of functions for each: there may be one for every message. */
class UnrecordedSpan implements ActiveSpan {
  readonly sampledTraceId = undefined;

  constructor(readonly traceparent: string | undefined) {}

  set(): void {}
  link(): void {}
  end(): void {}
}

/** Begins a span under a parent; with tracing off, or while nobody takes spans, one that only hands its parent on. */
export function startSpan(name: string, options: SpanOptions): ActiveSpan {
  if (!recorder) return new UnrecordedSpan(validTraceparent(options.parent));
  return recorder.accepting()
    ? new RecordedSpan(name, options, recorder)
    : new UnrecordedSpan(recorder.propagate(options.parent));
}

const SINCE = createContextKey("when the write began");

/** `sinceMs` of a span that begins in this context. */
export const sinceOf = (context: Context): number | undefined => context.getValue(SINCE) as number | undefined;

class RecordedSpan implements ActiveSpan {
  sampledTraceId: string | undefined;
  private readonly span: Span;
  private readonly startMs: number;
  /** What the tracer does not hand on: that the trace's id is random. */
  private readonly random: number;
  private ended = false;
  private text: string | undefined;

  constructor(
    name: string,
    { parent, kind = SpanKind.INTERNAL, attributes = {}, startMs = nowMs(), sinceMs }: SpanOptions,
    private readonly recorder: Recorder,
  ) {
    const above = parse(parent);
    const context = above ? trace.setSpanContext(ROOT_CONTEXT, above) : ROOT_CONTEXT;
    this.startMs = startMs;
    this.random = (above?.traceFlags ?? 0) & RANDOM;
    this.span = recorder.tracer.startSpan(
      name,
      { kind, attributes, startTime: startMs },
      sinceMs === undefined ? context : context.setValue(SINCE, sinceMs),
    );
  }

  get traceparent(): string {
    this.text ??= this.format();
    return this.text;
  }

  set(attributes: Attributes): void {
    if (!this.ended) this.span.setAttributes(attributes);
  }

  link(traceparent: string | null | undefined): void {
    const linked = parse(traceparent);
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
    if (this.recorder.isKept(span)) this.sampledTraceId = span.spanContext().traceId;
  }

  private format(): string {
    const context = this.span.spanContext();
    return format({ ...context, traceFlags: context.traceFlags | this.random });
  }
}

/** Without the stack: while a database is away every request fails, and each stack would cost more than its request. The log has it. */
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The calendar's clock is exact to a millisecond; the process' own is finer, and is put right when the two drift apart. */
let offsetMs = performance.timeOrigin;
const DRIFT_MS = 2;

function nowMs(): number {
  const calendar = Date.now();
  const fine = offsetMs + performance.now();
  if (fine - calendar < DRIFT_MS && calendar - fine < DRIFT_MS) return fine;
  offsetMs += calendar - fine;
  return calendar;
}

/** Runs `work` inside a span and ends it, as failed when `work` throws. @throws what `work` throws. */
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
