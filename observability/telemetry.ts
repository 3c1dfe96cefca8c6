/** What this process sends by itself: spans and metrics over OTLP, each only when a setting asks for it. */
import type { Settings } from "../platform/settings/settings.ts";
import { VERSION } from "../platform/version.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { headersOf } from "./otlp-headers.ts";
import { recordSpans } from "./trace.ts";

export interface Telemetry {
  /** Sends what is left, for 2 seconds at most. Never rejects. */
  flush(): Promise<unknown>;
}

const FLUSH_MS = 2_000;

/**
 * Records and exports spans when OTEL_EXPORTER_OTLP_ENDPOINT is set. Otherwise nothing is recorded, and OpenTelemetry's SDK is not even loaded.
 * With OTEL_METRICS_EXPORTER=otlp metrics go there, too.
 *
 * @param service the process' name without its prefix: `gateway` reports as `lockstep-gateway`.
 */
export async function startTelemetry(
  service: string,
  instance: string,
  settings: Settings,
  deps: { readonly logger: Logger; readonly metrics: Metrics },
): Promise<Telemetry> {
  const endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!endpoint) return { flush: async () => {} };
  // Named by hand: the usual detectors would add the process' command line and owner.
  const resource = {
    "service.name": `lockstep-${service}`,
    "service.namespace": "lockstep",
    "service.instance.id": instance,
    "service.version": VERSION,
  };
  const to = { url: endpoint, headers: headersOf(settings.OTEL_EXPORTER_OTLP_HEADERS) };
  const { exportSpans } = await import("./export-spans.ts");
  const { LOCKSTEP_TRACE_RATIO: ratio, LOCKSTEP_TRACE_SLOW_MS: slowMs } = settings;
  const spans = exportSpans(deps, to, { resource, ratio, slowMs });
  recordSpans(spans.recorder);
  const exports: Pick<Telemetry, "flush">[] = [spans];
  if (settings.OTEL_METRICS_EXPORTER === "otlp") {
    const { exportMetrics } = await import("./export-metrics.ts");
    exports.push(exportMetrics(deps, to, resource, settings.OTEL_METRIC_EXPORT_INTERVAL));
  }
  deps.logger.debug({ endpoint: new URL(endpoint).host }, "traces are exported");
  return { flush: () => Promise.race([Promise.all(exports.map((one) => one.flush())), Bun.sleep(FLUSH_MS)]) };
}
