/** A trace context in transit: a W3C `traceparent`, in database rows and message headers. */
import type { SpanContext } from "@opentelemetry/api";
import { newSpanId, newTraceId } from "./ids.ts";

const ANY_VERSION = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** Nearly all values. Testing them first avoids the cost of capture groups. */
const VERSION_00 = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/;
const CHAR_CODE_0 = 48;
/** Flag: the trace is sampled. */
export const SAMPLED = 0x01;
/** Flag: the trace id is random. */
export const RANDOM = 0x02;
/** All known flags (W3C Trace Context level 2, section 3.2.2.5). Unknown flags must be sent as zero. */
const KNOWN_FLAGS = SAMPLED | RANDOM;

/**
 * Parses a `traceparent` of any version. Versions after 00 may have more members (W3C Trace Context, section 3.2.4).
 *
 * @returns undefined when it is missing or malformed, and when an id is all zeros.
 */
export function parseTraceparent(traceparent: string | null | undefined): SpanContext | undefined {
  if (!traceparent) return undefined;
  if (VERSION_00.test(traceparent))
    return {
      traceId: traceparent.slice(3, 35),
      spanId: traceparent.slice(36, 52),
      traceFlags: traceparent.charCodeAt(54) - CHAR_CODE_0,
      isRemote: true,
    };
  const [, version, traceId, spanId, flags, more] = ANY_VERSION.exec(traceparent) ?? [];
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (!traceId || !spanId || !flags || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & KNOWN_FLAGS, isRemote: true };
}

/** Formats a context as a `traceparent` of version 00. */
export const formatTraceparent = ({ traceId, spanId, traceFlags }: SpanContext): string =>
  `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;

/** The trace id of a `traceparent`; undefined when it is missing or malformed. */
export const traceIdOf = (traceparent: string | null | undefined): string | undefined =>
  parseTraceparent(traceparent)?.traceId;

/** Converts a client's `traceparent` to version 00. @returns undefined when it is missing or malformed. */
export function validTraceparent(value: string | null | undefined): string | undefined {
  if (value && VERSION_00.test(value)) return value;
  const context = parseTraceparent(value);
  return context && formatTraceparent(context);
}

/**
 * A new `traceparent` for a write that has neither a `traceparent` nor a span. Its hops then share one trace id even
 * without tracing.
 *
 * @param traceFlags default: not sampled, so services with tracing do not record the write.
 */
export const newTraceparent = (traceFlags = 0): string =>
  formatTraceparent({ traceId: newTraceId(), spanId: newSpanId(), traceFlags });
