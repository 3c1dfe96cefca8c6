/** OpenTelemetry, set up once per process, and only when there is somewhere to send spans to. */
import type { Settings } from "../platform/settings.ts";
import type { Telemetry } from "./export-spans.ts";
import type { Logger } from "./logger.ts";

/**
 * Records and exports spans when OTEL_EXPORTER_OTLP_ENDPOINT is set. Otherwise nothing is recorded, nothing global is
 * touched, and the SDK is not even loaded (some 150 ms and 35 MB for each process).
 *
 * @param service the process' name without its prefix: `gateway` reports as `lockstep-gateway`.
 */
export async function startTelemetry(
  service: string,
  instance: string,
  settings: Settings,
  logger: Logger,
): Promise<Telemetry> {
  const endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!endpoint) return { flush: async () => {} };
  const { exportSpans } = await import("./export-spans.ts");
  return exportSpans({ service, instance, endpoint, logger });
}
