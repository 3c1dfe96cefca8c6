/**
 * One trace per write. Spans are made by hand: automatic patching does not see Bun's server and breaks in a bundle. The
 * context travels as a W3C `traceparent` in our own rows and headers, and is handed on as a value, never through the
 * ambient async context.
 */
import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";

export { SpanKind };

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** The flags that are known: sampled, and random trace id (W3C Trace Context level 2, section 3.2.2.5). Others must be sent as zero. */
const KNOWN_FLAGS = 0x03;

/**
 * Reads a `traceparent`. One of a later version than 00 may go on after its flags (W3C Trace Context, section 3.2.4).
 *
 * @returns undefined for what is malformed, and for trace or parent ids of zeros only.
 */
function parse(traceparent: string | null | undefined): SpanContext | undefined {
  const [, version, traceId, spanId, flags, more] = form.exec(traceparent ?? "") ?? [];
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (!traceId || !spanId || !flags || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & KNOWN_FLAGS, isRemote: true };
}

const format = ({ traceId, spanId, traceFlags }: SpanContext): string =>
  `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;

/** The trace id of a `traceparent`, for logs; undefined when it is missing or malformed. */
export const traceIdOf = (traceparent: string | null | undefined): string | undefined => parse(traceparent)?.traceId;

/** The same context in version 00, or undefined: what a client sends is not trusted to be well formed. */
export function validTraceparent(value: string | null | undefined): string | undefined {
  const context = parse(value);
  return context && format(context);
}

/**
 * A `traceparent` for a write that came without one and has no span, so that its hops can be told by one id also with
 * tracing off. Its flags say "not sampled", and services that do trace then leave the write out: never the parent of a span
 * that should be recorded.
 */
export function newTraceparent(): string {
  const hex = Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString("hex");
  return `00-${hex.slice(0, 32)}-${hex.slice(32)}-00`;
}

const contextOf = (traceparent: string | null | undefined): Context => {
  const parent = parse(traceparent);
  return parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
};

export interface ActiveSpan {
  /**
   * To hand on to the next hop: this span's context, or the parent's as it came when this span is not recorded.
   * Undefined when nothing is recorded and there is no parent.
   */
  readonly traceparent: string | undefined;
  set(attributes: Attributes): void;
  /** Ends the span, as failed when there is an error. To be called once; later calls do nothing. */
  end(error?: unknown): void;
}

export interface SpanOptions {
  /** `traceparent` of the hop before; a malformed one counts as none, and a new trace begins. */
  readonly parent?: string | null | undefined;
  /** What part it plays between services. Default: internal to one. */
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  /** When it began, in milliseconds since 1970. Default: now. */
  readonly startMs?: number;
}

/** Undefined while tracing is off, so that a span then costs no more than handing its parent on. */
let tracer: Tracer | undefined;

/** From now on spans of this process are recorded by `by`; with undefined, no more. */
export function recordSpans(by: Tracer | undefined): void {
  tracer = by;
}

const unrecorded = (parent: string | null | undefined): ActiveSpan => ({
  get traceparent() {
    return validTraceparent(parent);
  },
  set() {},
  end() {},
});

/** Starts a span under a parent. Nothing is recorded when tracing is off, or the parent's flags say that it is not sampled. */
export function startSpan(name: string, options: SpanOptions): ActiveSpan {
  if (!tracer) return unrecorded(options.parent);
  const span = tracer.startSpan(
    name,
    {
      kind: options.kind ?? SpanKind.INTERNAL,
      ...(options.attributes ? { attributes: options.attributes } : {}),
      ...(options.startMs === undefined ? {} : { startTime: options.startMs }),
    },
    contextOf(options.parent),
  );
  if (!span.isRecording()) return unrecorded(options.parent);
  const traceparent = format(span.spanContext());
  return {
    traceparent,
    set: (attributes) => void span.setAttributes(attributes),
    end(error) {
      if (!span.isRecording()) return;
      if (error !== undefined) {
        span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
        if (error instanceof Error) span.recordException(error);
      }
      span.end();
    },
  };
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
