/** Enables tracing in this process with the same SDK as in production, and stores the exported spans. */
import { type Attributes, type HrTime, type SpanContext, type SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace";
import { createLogger } from "../../observability/logger.ts";
import { recordWithSdk } from "../../observability/record-spans.ts";
import { setRecorder } from "../../observability/trace.ts";

/** An exported span. */
export interface RecordedSpan {
  readonly name: string;
  readonly kind: SpanKind;
  readonly context: SpanContext;
  readonly parent: SpanContext | undefined;
  /** Milliseconds since 1970, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  readonly links: readonly SpanContext[];
  readonly linksLeftOut: number;
  /** Status message of a failed span; undefined when it succeeded. */
  readonly failure: string | undefined;
}

/**
 * Starts recording spans. The caller ends it with `setRecorder(undefined)`.
 *
 * @returns a list to which each sampled span is added when it has ended.
 */
export function startRecording({ ratio = 1, slowMs = 60_000, onDropped = () => {} } = {}): readonly RecordedSpan[] {
  const recorded: RecordedSpan[] = [];
  const next = new SimpleSpanProcessor({
    exporter: {
      export(spans, done) {
        recorded.push(...spans.map(viewOf));
        done({ code: 0 });
      },
      shutdown: async () => {},
    },
  });
  const logger = createLogger("test", "1", "silent");
  setRecorder(recordWithSdk({ ratio, slowMs, onDropped, next, logger, resource: { "service.name": "test" } }));
  return recorded;
}

const viewOf = (span: ReadableSpan): RecordedSpan => ({
  name: span.name,
  kind: span.kind,
  context: span.spanContext(),
  parent: span.parentSpanContext,
  startMs: toMs(span.startTime),
  endMs: toMs(span.endTime),
  attributes: span.attributes,
  links: span.links.map(({ context }) => context),
  linksLeftOut: span.droppedLinksCount,
  failure: span.status.code === SpanStatusCode.ERROR ? (span.status.message ?? "") : undefined,
});

const toMs = ([seconds, nanoseconds]: HrTime): number => seconds * 1_000 + nanoseconds / 1e6;
