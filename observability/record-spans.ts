/** Configures OpenTelemetry's SDK to make the spans of this process. */
import { type DiagLogger, DiagLogLevel, diag, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { createAlwaysRecordSampler, ParentBasedSampler, TraceIdRatioBasedSampler } from "@opentelemetry/sdk-trace";
import type { Logger } from "./logger.ts";
import { TailSampler, type TailSamplingOptions } from "./tail-sampling.ts";
import { MAX_LINKS, type Recorder } from "./trace.ts";
import { formatTraceparent, newTraceparent, parseTraceparent, SAMPLED } from "./traceparent.ts";

/** How spans are recorded. */
export interface RecordingOptions extends TailSamplingOptions {
  /** Attributes of this process. */
  readonly resource: Readonly<Record<string, string>>;
  /** Ratio of the traces started here that are sampled, 0 to 1. Other traces keep the flag of their `traceparent`. */
  readonly ratio: number;
  readonly logger: Pick<Logger, "debug">;
  /** Receives the sampled spans. Default: spans are always accepted. */
  readonly sink?: {
    /** Read before each span. While false, spans are not made. */
    readonly accepting: boolean;
    /** Counts spans that were not made. */
    drop(count: number): void;
  };
}

/**
 * Starts the SDK with spans only: no resource detectors, which would add the process's command line and owner, no
 * automatic instrumentation, and no export of logs or metrics, whatever the `OTEL_` variables say.
 *
 * @returns undefined if OTEL_SDK_DISABLED turns tracing off.
 */
export function recordWithSdk(options: RecordingOptions): Recorder | undefined {
  const { ratio, sink, onDropped } = options;
  const sampler = new TailSampler(options);
  const tracer = startSdk(options, sampler);
  const isEnabled = tracer.startSpan("probe", {}, ROOT_CONTEXT).isRecording();
  if (!isEnabled) return undefined;
  return {
    tracer,
    isSampled: (span) => sampler.isSampled(span),
    accepting: () => sink?.accepting ?? true,
    propagate(traceparent) {
      const parent = parseTraceparent(traceparent);
      const sampled = parent ? (parent.traceFlags & SAMPLED) !== 0 : Math.random() < ratio;
      if (sampled) sink?.drop(1);
      else onDropped();
      return parent ? formatTraceparent(parent) : newTraceparent(sampled ? SAMPLED : 0);
    },
  };
}

function startSdk({ resource, ratio, logger }: RecordingOptions, sampler: TailSampler) {
  const sdk = new NodeSDK({
    // Unsampled spans are recorded too: the tail sampler keeps those that fail or are slow.
    sampler: createAlwaysRecordSampler(new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) })),
    spanProcessors: [sampler],
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
  // Without this, the API would keep the tracer provider of an earlier call.
  trace.disable();
  sdk.start();
  return trace.getTracer("lockstep");
}

/** The SDK's own messages are logged at `debug`. The span queue reports failed exports. */
function diagnosticsOf(logger: Pick<Logger, "debug">): DiagLogger {
  const debug = (message: string) => logger.debug({ from: "opentelemetry" }, message);
  return { error: debug, warn: debug, info: debug, debug, verbose: debug };
}
