/** The context of a trace as it travels: a W3C `traceparent` in our own rows and headers. */
import type { SpanContext } from "@opentelemetry/api";
import { newSpanId, newTraceId } from "./ids.ts";

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** Nearly all of them, and not worth the pieces that the full form is taken apart into. */
const OURS = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/;
const ZERO = 48;
/** Whoever began the trace wants it kept. */
export const SAMPLED = 0x01;
/** The trace's id is random. */
export const RANDOM = 0x02;
/** The flags that are known (W3C Trace Context level 2, section 3.2.2.5). Others must be sent as zero. */
const KNOWN_FLAGS = SAMPLED | RANDOM;

/**
 * Reads a `traceparent`. One of a later version than 00 may go on after its flags (W3C Trace Context, section 3.2.4).
 *
 * @returns undefined for what is malformed, and for trace or parent ids of zeros only.
 */
export function parse(traceparent: string | null | undefined): SpanContext | undefined {
  if (!traceparent) return undefined;
  if (OURS.test(traceparent))
    return {
      traceId: traceparent.slice(3, 35),
      spanId: traceparent.slice(36, 52),
      traceFlags: traceparent.charCodeAt(54) - ZERO,
      isRemote: true,
    };
  const [, version, traceId, spanId, flags, more] = form.exec(traceparent) ?? [];
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (!traceId || !spanId || !flags || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & KNOWN_FLAGS, isRemote: true };
}

export const format = ({ traceId, spanId, traceFlags }: SpanContext): string =>
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
 * tracing off.
 *
 * @param traceFlags by default "not sampled": services that do trace then leave the write out.
 */
export const newTraceparent = (traceFlags = 0): string =>
  format({ traceId: newTraceId(), spanId: newSpanId(), traceFlags });
