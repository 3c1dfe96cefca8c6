/** Tracing as a process with an endpoint has it, by the same SDK, with the spans that it keeps at hand. */
import { type Attributes, type HrTime, type SpanContext, type SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace";
import { createLogger } from "../../observability/logger.ts";
import { recordWithSdk } from "../../observability/record-spans.ts";
import { setRecorder } from "../../observability/trace.ts";

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
  /** What a failed one says; undefined: it went well. */
  readonly failure: string | undefined;
}

/** From now on spans are recorded; whoever calls it ends it with `recordSpans(undefined)`. @returns those that are kept, each as soon as it has ended. */
export function startRecording({ ratio = 1, slowMs = 60_000, onDropped = () => {} } = {}): readonly RecordedSpan[] {
  const kept: RecordedSpan[] = [];
  const next = new SimpleSpanProcessor({
    exporter: {
      export(spans, done) {
        kept.push(...spans.map(viewOf));
        done({ code: 0 });
      },
      shutdown: async () => {},
    },
  });
  const logger = createLogger("test", "1", "silent");
  setRecorder(recordWithSdk({ ratio, slowMs, onDropped, next, logger, resource: { "service.name": "test" } }));
  return kept;
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
