/**
 * One trace per write. Spans are made by hand: automatic patching does not see Bun's server and breaks in a bundle. The
 * context travels as a W3C `traceparent` in our own rows and headers, and is handed on as a value, never through the
 * ambient async context.
 *
 * Whether a trace is kept is decided where it begins, and told to all its hops by a flag. A span of a trace that is not to be kept
 * is recorded all the same, which costs microseconds, and kept at its end if it failed or was slow.
 */
import { type Attributes, type SpanContext, SpanKind } from "@opentelemetry/api";
import { newSpanId, newTraceId } from "./ids.ts";
import { format, parse, SAMPLED, validTraceparent } from "./traceparent.ts";

export { newTraceparent, traceIdOf, validTraceparent } from "./traceparent.ts";
export { SpanKind };

export interface ActiveSpan {
  /** To hand on to the next hop: this span's context; with tracing off the parent's, or undefined where there is none. */
  readonly traceparent: string | undefined;
  set(attributes: Attributes): void;
  /** Names another span, of any trace, that this one came from as well. A malformed one, or one beyond {@link MOST_LINKS}, is left out. */
  link(traceparent: string | null | undefined): void;
  /** Ends the span, as failed when there is an error. To be called once; later calls do nothing. */
  end(error?: unknown): void;
  /** The trace's id once the span has ended and is kept; undefined before that, and for one that is not. */
  readonly keptTraceId: string | undefined;
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

/** A span that has ended, and is kept. */
export interface EndedSpan {
  readonly name: string;
  readonly kind: SpanKind;
  readonly context: SpanContext;
  readonly parent: SpanContext | undefined;
  /** Milliseconds since 1970, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  readonly links: readonly SpanContext[];
  /** Links beyond {@link MOST_LINKS}. */
  readonly linksLeftOut: number;
  /** Undefined: it went well. */
  readonly failure: { readonly error: unknown } | undefined;
}

/** Most links of one span (OpenTelemetry's own default). */
export const MOST_LINKS = 128;

/** Where the spans of this process go, and which. */
export interface Recorder {
  /** Part of the traces beginning here that is kept whole, 0 to 1. Others follow the flag that they come with. */
  readonly ratio: number;
  /** A span that took so many milliseconds is kept in any case. */
  readonly slowMs: number;
  readonly keep: (span: EndedSpan) => void;
  /** A span ended that is not kept. */
  readonly leave: () => void;
}

/** Undefined while tracing is off, so that a span then costs no more than handing its parent on. */
let recorder: Recorder | undefined;

/** From now on spans of this process go to `to`; with undefined, nowhere. */
export function recordSpans(to: Recorder | undefined): void {
  recorder = to;
}

/** False while tracing is off. */
export const isTracing = (): boolean => recorder !== undefined;

const unrecorded = (parent: string | null | undefined): ActiveSpan => ({
  get traceparent() {
    return validTraceparent(parent);
  },
  set() {},
  link() {},
  end() {},
  keptTraceId: undefined,
});

/** Begins a span under a parent; with tracing off, one that only hands its parent on. */
export const startSpan = (name: string, options: SpanOptions): ActiveSpan =>
  recorder ? new RecordedSpan(name, options, recorder) : unrecorded(options.parent);

class RecordedSpan implements ActiveSpan {
  keptTraceId: string | undefined;
  private readonly parent: SpanContext | undefined;
  private readonly context: SpanContext;
  private readonly startMs: number;
  private readonly attributes: Attributes;
  private readonly links: SpanContext[] = [];
  private linksLeftOut = 0;
  private ended = false;
  private text: string | undefined;

  constructor(
    private readonly name: string,
    private readonly options: SpanOptions,
    private readonly recorder: Recorder,
  ) {
    this.parent = parse(options.parent);
    const { traceId, traceFlags } = this.parent ?? {
      traceId: newTraceId(),
      traceFlags: Math.random() < recorder.ratio ? SAMPLED : 0,
    };
    this.context = { traceId, traceFlags, spanId: newSpanId() };
    this.startMs = options.startMs ?? nowMs();
    this.attributes = { ...options.attributes };
  }

  get traceparent(): string {
    this.text ??= format(this.context);
    return this.text;
  }

  set(attributes: Attributes): void {
    Object.assign(this.attributes, attributes);
  }

  link(traceparent: string | null | undefined): void {
    const linked = parse(traceparent);
    if (!linked) return;
    if (this.links.length < MOST_LINKS) this.links.push(linked);
    else this.linksLeftOut++;
  }

  end(error?: unknown): void {
    if (this.ended) return;
    this.ended = true;
    const endMs = Math.max(this.startMs, nowMs());
    if (error !== undefined) this.attributes["error.type"] = error instanceof Error ? error.name : "_OTHER";
    if (!this.isKept(endMs, error)) {
      this.recorder.leave();
      return;
    }
    this.keptTraceId = this.context.traceId;
    const { name, context, parent, startMs, attributes, links, linksLeftOut } = this;
    const kind = this.options.kind ?? SpanKind.INTERNAL;
    const failure = error === undefined ? undefined : { error };
    this.recorder.keep({ name, kind, context, parent, startMs, endMs, attributes, links, linksLeftOut, failure });
  }

  private isKept(endMs: number, error: unknown): boolean {
    if (this.context.traceFlags & SAMPLED) return true;
    const slow = endMs - (this.options.sinceMs ?? this.startMs) >= this.recorder.slowMs;
    const why = error !== undefined ? "failed" : slow ? "slow" : undefined;
    // Who looks at it must know why the rest of the trace is not there.
    if (why) this.attributes["lockstep.kept"] = why;
    return why !== undefined;
  }
}

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
export async function inSpan<T>(
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
