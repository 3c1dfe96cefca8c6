/** What this process sends by itself: spans and metrics over OTLP, each only when a setting asks for it. */
import type { Settings } from "../platform/settings.ts";
import { VERSION } from "../platform/version.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { recordSpans } from "./trace.ts";

export interface Telemetry {
  /** Sends what is left, for 2 seconds at most. Never rejects. */
  flush(): Promise<void>;
}

/**
 * Records and exports spans when OTEL_EXPORTER_OTLP_ENDPOINT is set. Otherwise nothing is recorded, and no exporter is even loaded.
 *
 * @param service the process' name without its prefix: `gateway` reports as `lockstep-gateway`.
 */
export async function startTelemetry(
  service: string,
  instance: string,
  settings: Settings,
  using: { readonly logger: Logger; readonly metrics: Metrics },
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
  const { exportSpans } = await import("./export-spans.ts");
  const spans = exportSpans(using, {
    resource,
    endpoint,
    ratio: settings.LOCKSTEP_TRACE_RATIO,
    slowMs: settings.LOCKSTEP_TRACE_SLOW_MS,
  });
  recordSpans(spans.recorder);
  using.logger.debug({ endpoint: new URL(endpoint).host }, "traces are exported");
  return { flush: spans.flush };
}
