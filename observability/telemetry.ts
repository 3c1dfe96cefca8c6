/** OpenTelemetry, set up once per process: spans go to an OTLP/HTTP endpoint in batches, and are dropped rather than awaited when it is away. */
import { trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resources, tracing } from "@opentelemetry/sdk-node";
import type { Settings } from "../platform/settings.ts";
import type { Logger } from "./logger.ts";

export interface Telemetry {
  /** Sends what is left, for 2 seconds at most. */
  flush(): Promise<void>;
}

/** Records and exports spans when OTEL_EXPORTER_OTLP_ENDPOINT is set; otherwise nothing is recorded. */
export function startTelemetry(service: string, settings: Settings, logger: Logger): Telemetry {
  const endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!endpoint) return { flush: async () => {} };
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, "")}/v1/traces`, timeoutMillis: 5_000 });
  const provider = new tracing.BasicTracerProvider({
    // Named by hand: the default detectors would add the process' command line to every span.
    resource: resources.resourceFromAttributes({
      "service.name": `lockstep-${service}`,
      "service.namespace": "lockstep",
      "service.instance.id": settings.LOCKSTEP_INSTANCE,
    }),
    spanProcessors: [
      new tracing.BatchSpanProcessor(exporter, {
        maxQueueSize: 8192,
        maxExportBatchSize: 512,
        scheduledDelayMillis: 1_000,
        exportTimeoutMillis: 5_000,
      }),
    ],
  });
  trace.setGlobalTracerProvider(provider);
  logger.debug({ endpoint: new URL(endpoint).host }, "traces are exported");
  return {
    flush: () => Promise.race([provider.forceFlush(), new Promise<void>((done) => setTimeout(done, 2_000))]).catch(() => {}),
  };
}
