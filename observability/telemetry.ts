/** Starts the export of spans and metrics over OTLP, if the options ask for it. */
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { headersOf } from "./otlp-headers.ts";
import { setRecorder } from "./trace.ts";

/** The running exports of a process. */
export interface Telemetry {
  /** Sends what is queued. Resolves after 2 s at the latest; never rejects. */
  flush(): Promise<unknown>;
}

const FLUSH_TIMEOUT_MS = 2_000;

/** The process that reports. */
export interface ReportingProcess {
  /** Name of the service without its prefix: `gateway` reports as `lockstep-gateway`. */
  readonly service: string;
  readonly instance: string;
  readonly version: string;
}

/** What is exported, and where it goes. */
export interface TelemetryOptions {
  /** URL of the OTLP collector. Undefined: nothing is recorded, and OpenTelemetry's SDK is not loaded. */
  readonly endpoint: string | undefined;
  /** Headers of each export request, in the format of OTEL_EXPORTER_OTLP_HEADERS. */
  readonly headers: string | undefined;
  /** Ratio of the traces started here that are sampled, 0 to 1. */
  readonly traceRatio: number;
  /** Spans of this duration or more are always sampled, in milliseconds. */
  readonly slowTraceMs: number;
  /** Interval of metric exports, in milliseconds. Undefined: metrics are not exported. */
  readonly metricIntervalMs: number | undefined;
}

/** Starts the exports. */
export async function startTelemetry(
  { service, instance, version }: ReportingProcess,
  { endpoint, headers, traceRatio, slowTraceMs, metricIntervalMs }: TelemetryOptions,
  deps: { readonly logger: Logger; readonly metrics: Metrics },
): Promise<Telemetry> {
  if (!endpoint) return { flush: async () => {} };
  // No resource detectors: they would add the process's command line and owner.
  const resource = {
    "service.name": `lockstep-${service}`,
    "service.namespace": "lockstep",
    "service.instance.id": instance,
    "service.version": version,
  };
  const collector = { url: endpoint, headers: headersOf(headers) };
  const { exportSpans } = await import("./export-spans.ts");
  const spans = exportSpans(deps, collector, { resource, ratio: traceRatio, slowMs: slowTraceMs });
  setRecorder(spans.recorder);
  const exports: Pick<Telemetry, "flush">[] = [spans];
  if (metricIntervalMs !== undefined) {
    const { exportMetrics } = await import("./export-metrics.ts");
    exports.push(exportMetrics(deps, collector, resource, metricIntervalMs));
  }
  deps.logger.debug({ endpoint: new URL(endpoint).host }, "telemetry is exported");
  // Not platform/async: this room imports no platform.
  return { flush: () => Promise.race([Promise.all(exports.map((one) => one.flush())), delay(FLUSH_TIMEOUT_MS)]) };
}
