/** OpenTelemetry's SDK, set up to make the spans of this process. */
import { type DiagLogger, DiagLogLevel, diag, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { createAlwaysRecordSampler, ParentBasedSampler, TraceIdRatioBasedSampler } from "@opentelemetry/sdk-trace";
import type { Logger } from "./logger.ts";
import { TailSampler, type TailSamplingOptions } from "./tail-sampling.ts";
import { MAX_LINKS, type Recorder } from "./trace.ts";
import { format, newTraceparent, parse, SAMPLED } from "./traceparent.ts";

export interface Recording extends TailSamplingOptions {
  /** Attributes of this process that each of its spans belongs to. */
  readonly resource: Readonly<Record<string, string>>;
  /** Part of the traces beginning here that is kept whole, 0 to 1. Others follow the flag that they come with. */
  readonly ratio: number;
  readonly logger: Pick<Logger, "debug">;
  /** Who takes those that are kept, and when nobody does. Default: always somebody. */
  readonly taker?: {
    /** Asked before each span: false while it would be made only to be thrown away. */
    readonly accepting: boolean;
    /** Counts spans that were not made. */
    drop(count: number): void;
  };
}

/**
 * Nothing but what is named here is set up: no detector, which would add the process' command line and owner, no automatic
 * instrumentation, and no exporter for logs or metrics, whatever an `OTEL_` variable says.
 *
 * @returns undefined where OTEL_SDK_DISABLED forbids it.
 */
export function recordWithSdk({ resource, ratio, logger, taker, ...keeping }: Recording): Recorder | undefined {
  const keeper = new TailSampler(keeping);
  const sdk = new NodeSDK({
    // What is not sampled is recorded all the same, to be kept if it fails or is slow.
    sampler: createAlwaysRecordSampler(new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) })),
    spanProcessors: [keeper],
    spanLimits: {
      attributeCountLimit: 128,
      attributeValueLengthLimit: Number.POSITIVE_INFINITY,
      linkCountLimit: MAX_LINKS,
    },
    resource: resourceFromAttributes(resource),
    autoDetectResources: false,
    textMapPropagator: null,
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
  });
  diag.setLogger(diagnosticsOf(logger), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  // The newest set-up counts; the API would keep the first.
  trace.disable();
  sdk.start();
  const tracer = trace.getTracer("lockstep");
  const works = tracer.startSpan("is it on", {}, ROOT_CONTEXT).isRecording();
  if (!works) return undefined;
  return {
    tracer,
    isKept: (span) => keeper.isKept(span),
    accepting: () => taker?.accepting ?? true,
    propagate(parent) {
      const above = parse(parent);
      const sampled = above ? (above.traceFlags & SAMPLED) !== 0 : Math.random() < ratio;
      if (sampled) taker?.drop(1);
      else keeping.onDropped();
      return above ? format(above) : newTraceparent(sampled ? SAMPLED : 0);
    },
  };
}

/** What the SDK says of itself is for who looks for a mistake: batches that nobody took are told by who sends them. */
function diagnosticsOf(logger: Pick<Logger, "debug">): DiagLogger {
  const debug = (message: string) => logger.debug({ from: "opentelemetry" }, message);
  return { error: debug, warn: debug, info: debug, debug, verbose: debug };
}
