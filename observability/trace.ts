/**
 * One trace per write. Spans are made by hand: automatic patching does not see Bun's server and breaks in a bundle. The
 * context travels as a W3C `traceparent` in our own rows and headers, and is handed on explicitly, never by `enterWith`.
 */
import {
  type Attributes,
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";

export { SpanKind };

const tracer = () => trace.getTracer("lockstep");
const form = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** The trace id of a `traceparent`, for logs; undefined when it has none or is malformed (W3C Trace Context, section 3.2). */
export const traceIdOf = (traceparent: string | undefined): string | undefined => form.exec(traceparent ?? "")?.[1];

/** A valid `traceparent`, or undefined: what a client sends is not trusted to be well formed. */
export const validTraceparent = (value: string | undefined | null): string | undefined => {
  const match = form.exec(value ?? "");
  return match && !/^0+$/.test(match[1]!) && !/^0+$/.test(match[2]!) ? match[0] : undefined;
};

/** A new `traceparent` for a write that came without one, so that even with tracing off its hops can be told by one id. */
export function newTraceparent(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  const hex = Buffer.from(bytes).toString("hex");
  return `00-${hex.slice(0, 32)}-${hex.slice(32)}-00`;
}

function parentContext(traceparent: string | undefined) {
  const match = form.exec(traceparent ?? "");
  if (!match) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId: match[1]!,
    spanId: match[2]!,
    traceFlags: Number.parseInt(match[3]!, 16),
    isRemote: true,
  });
}

export interface ActiveSpan {
  /** To hand on to the next hop: this span's context, or the parent's when tracing is off. */
  readonly traceparent: string | undefined;
  set(attributes: Attributes): void;
  /** Ends the span, as failed when there is an error. Must be called once. */
  end(error?: unknown): void;
}

/** Starts a span under a parent's `traceparent`. Costs next to nothing when tracing is off. */
export function startSpan(
  name: string,
  options: { parent?: string | undefined; kind?: SpanKind; attributes?: Attributes; startMs?: number },
): ActiveSpan {
  const span: Span = tracer().startSpan(
    name,
    {
      kind: options.kind ?? SpanKind.INTERNAL,
      ...(options.attributes ? { attributes: options.attributes } : {}),
      ...(options.startMs === undefined ? {} : { startTime: options.startMs }),
    },
    parentContext(options.parent),
  );
  const own = span.spanContext();
  return {
    traceparent:
      span.isRecording() && isSpanContextValid(own)
        ? `00-${own.traceId}-${own.spanId}-${own.traceFlags.toString(16).padStart(2, "0")}`
        : options.parent,
    set: (attributes) => void span.setAttributes(attributes),
    end(error) {
      if (error !== undefined) {
        span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
        if (error instanceof Error) span.recordException(error);
      }
      span.end();
    },
  };
}

/** Runs `work` inside a span and ends it, as failed when `work` throws. */
export async function inSpan<T>(
  name: string,
  options: Parameters<typeof startSpan>[1],
  work: (span: ActiveSpan) => Promise<T>,
): Promise<T> {
  const span = startSpan(name, options);
  try {
    const result = await context.with(ROOT_CONTEXT, () => work(span));
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}
