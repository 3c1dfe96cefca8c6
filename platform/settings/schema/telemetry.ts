/** Settings: logs, traces and metrics. */
import { z } from "zod";
import { setting, url, wholeNumber } from "./setting.ts";

/** What a service reports, and where it sends it. */
export const telemetry = {
  LOCKSTEP_LOG_LEVEL: setting(
    z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
    "Least severe level that is logged: trace, debug, info, warn, error or silent",
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: setting(
    url(/^https?$/, "http://127.0.0.1:4318"),
    "URL of the OTLP/HTTP collector for traces. Without it, no spans are recorded, but trace context is still propagated",
  ),
  OTEL_EXPORTER_OTLP_HEADERS: setting(
    z
      .string()
      .regex(/^[^=,\s]+=[^,]*(,[^=,\s]+=[^,]*)*$/, "must be name=value; separate several by commas")
      .optional(),
    "Headers of each request to the collector, for example its credentials: name=value, percent-encoded, separated by commas",
    true,
  ),
  OTEL_METRICS_EXPORTER: setting(
    z.enum(["none", "otlp"]).default("none"),
    "otlp: also send metrics to OTEL_EXPORTER_OTLP_ENDPOINT. They are always available at /metrics",
  ),
  OTEL_METRIC_EXPORT_INTERVAL: setting(
    wholeNumber(1_000, 3_600_000, 60_000),
    "Interval at which metrics are sent, in milliseconds",
  ),
  LOCKSTEP_TRACE_RATIO: setting(
    z
      .string()
      .regex(/^(0|1|0?\.\d{1,9}|1\.0{1,9})$/, "must be a number from 0 to 1")
      .transform(Number)
      .default(1),
    "Ratio of the traces started by this service that are sampled, 0 to 1. A client that starts a trace decides itself",
  ),
  LOCKSTEP_TRACE_SLOW_MS: setting(
    wholeNumber(1, 3_600_000, 1_000),
    "A span that takes this long, or that ends a write that did, is always sampled, in milliseconds. So is a failed span",
  ),
  LOCKSTEP_TRACE_UI_URL: setting(
    z
      .string()
      .regex(/^https?:\/\/[^\s]*\{traceId\}/, "must be a URL like http://127.0.0.1:16686/trace/{traceId}")
      .optional(),
    "URL of one trace in your trace viewer, with {traceId} in place of its id. The console links to it",
  ),
} as const;
