/** Sends spans to an OTLP/HTTP endpoint in batches; they are dropped, counted and reported rather than awaited when it is away. */
import { type DiagLogger, DiagLogLevel, diag } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { Logger } from "./logger.ts";
import { recordSpans } from "./trace.ts";

export interface Telemetry {
  /** Sends what is left, for 2 seconds at most. Never rejects. */
  flush(): Promise<void>;
}

const SEND_TIMEOUT_MS = 5_000;
const FLUSH_TIMEOUT_MS = 2_000;

/**
 * Begins to record the spans of this process. Every trace that begins here is recorded; one that began elsewhere is
 * recorded when its `traceparent` is flagged as sampled.
 *
 * Nothing but what is named here is set up: no detector, no automatic instrumentation, no exporter for logs or metrics, and
 * nothing global. The ready-made NodeSDK would load all of them, and take half of a process' start-up.
 */
export function exportSpans(using: {
  service: string;
  instance: string;
  /** Base URL; `/v1/traces` is appended (OpenTelemetry protocol exporter, "Endpoint URLs for OTLP/HTTP"). */
  endpoint: string;
  logger: Logger;
}): Telemetry {
  const { service, instance, endpoint, logger } = using;
  const url = `${endpoint.replace(/\/$/, "")}/v1/traces`;
  const processor = new BatchSpanProcessor({
    exporter: reporting(new OTLPTraceExporter({ url, timeoutMillis: SEND_TIMEOUT_MS }), logger),
    // The default of 2,048 spans every 5 s would drop spans without a word above 400/s.
    maxQueueSize: 8192,
    maxExportBatchSize: 512,
    scheduledDelayMillis: 1_000,
    exportTimeoutMillis: SEND_TIMEOUT_MS,
  });
  const provider = new TracerProvider({
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    // Named by hand: the usual detectors would add the process' command line and owner to every span.
    resource: defaultResource().merge(
      resourceFromAttributes({
        "service.name": `lockstep-${service}`,
        "service.namespace": "lockstep",
        "service.instance.id": instance,
      }),
    ),
    spanProcessors: [processor],
  });
  diag.setLogger(toLogger(logger), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  recordSpans(provider.getTracer("lockstep"));
  logger.debug({ endpoint: new URL(endpoint).host }, "traces are exported");
  return { flush: () => Promise.race([processor.forceFlush().catch(() => {}), Bun.sleep(FLUSH_TIMEOUT_MS)]) };
}

/** What the SDK says of itself. Its errors are the failed batches that {@link reporting} tells of already, one by one. */
function toLogger(logger: Logger): DiagLogger {
  const debug = (message: string) => logger.debug({ from: "opentelemetry" }, message);
  return {
    error: debug,
    // Among them: how many spans were dropped because the queue was full.
    warn: (message) => logger.warn({ from: "opentelemetry" }, message),
    info: debug,
    debug,
    verbose: debug,
  };
}

/** Says once when spans cannot be sent, and once when they can again, with how many were lost in between. */
function reporting(exporter: SpanExporter, logger: Logger): SpanExporter {
  let lost = 0;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        // 0 is the SDK's code for success.
        if (result.code !== 0) {
          if (lost === 0) logger.warn({ err: result.error }, "spans cannot be sent; they are dropped until that works");
          lost += spans.length;
        } else if (lost > 0) {
          logger.info({ lost }, "spans are sent again");
          lost = 0;
        }
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}
