/** What this process sends by itself: spans and metrics over OTLP, each only when a setting asks for it. */
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { headersOf } from "./otlp-headers.ts";
import { recordSpans } from "./trace.ts";

export interface Telemetry {
  /** Sends what is left, for 2 seconds at most. Never rejects. */
  flush(): Promise<unknown>;
}

const FLUSH_MS = 2_000;

/** Which process reports. */
export interface ReportingProcess {
  /** Name of the service without its prefix: `gateway` reports as `lockstep-gateway`. */
  readonly service: string;
  readonly instance: string;
  readonly version: string;
}

export interface TelemetryOptions {
  /** URL of the OTLP collector. Undefined: nothing is recorded, and OpenTelemetry's SDK is not even loaded. */
  readonly endpoint: string | undefined;
  /** Headers of each export request, as OTEL_EXPORTER_OTLP_HEADERS writes them. */
  readonly headers: string | undefined;
  /** Share of traces that are kept, 0 to 1. */
  readonly traceRatio: number;
  /** Slower traces are always kept, in milliseconds. */
  readonly slowTraceMs: number;
  /** Interval of metric exports in milliseconds. Undefined: metrics are not exported. */
  readonly metricIntervalMs: number | undefined;
}

/** Starts the export of spans, and of metrics where the options ask for it. */
export async function startTelemetry(
  { service, instance, version }: ReportingProcess,
  { endpoint, headers, traceRatio, slowTraceMs, metricIntervalMs }: TelemetryOptions,
  deps: { readonly logger: Logger; readonly metrics: Metrics },
): Promise<Telemetry> {
  if (!endpoint) return { flush: async () => {} };
  // Named by hand: the usual detectors would add the process' command line and owner.
  const resource = {
    "service.name": `lockstep-${service}`,
    "service.namespace": "lockstep",
    "service.instance.id": instance,
    "service.version": version,
  };
  const to = { url: endpoint, headers: headersOf(headers) };
  const { exportSpans } = await import("./export-spans.ts");
  const spans = exportSpans(deps, to, { resource, ratio: traceRatio, slowMs: slowTraceMs });
  recordSpans(spans.recorder);
  const exports: Pick<Telemetry, "flush">[] = [spans];
  if (metricIntervalMs !== undefined) {
    const { exportMetrics } = await import("./export-metrics.ts");
    exports.push(exportMetrics(deps, to, resource, metricIntervalMs));
  }
  deps.logger.debug({ endpoint: new URL(endpoint).host }, "traces are exported");
  return { flush: () => Promise.race([Promise.all(exports.map((one) => one.flush())), Bun.sleep(FLUSH_MS)]) };
}
