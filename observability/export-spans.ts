/** Sends the spans of this process to a collector, with OpenTelemetry's SDK and exporter. */
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { watchBuffer } from "./gauges.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { type OtlpEndpoint, signalUrl } from "./otlp.ts";
import { type RecordingOptions, recordWithSdk } from "./record-spans.ts";
import { MAX_QUEUED, SpanQueue } from "./span-queue.ts";
import type { Recorder } from "./trace.ts";

/** A running export. */
export interface SpanExport {
  /** Undefined if OTEL_SDK_DISABLED turns tracing off. */
  readonly recorder: Recorder | undefined;
  /** Sends the queued spans. Never rejects. */
  flush(): Promise<void>;
}

/** Time for which the exporter retries one batch before the collector counts as unavailable. */
const BATCH_TIMEOUT_MS = 5_000;
/** Additional time for the exporter to report its own timeout. */
const GRACE_MS = 1_000;

/** Starts recording and sending spans. @param batchTimeoutMs time for which one batch is retried, in milliseconds. */
export function exportSpans(
  deps: { readonly logger: Logger; readonly metrics: Metrics },
  endpoint: OtlpEndpoint,
  options: Pick<RecordingOptions, "resource" | "ratio" | "slowMs">,
  batchTimeoutMs = BATCH_TIMEOUT_MS,
): SpanExport {
  const { logger, metrics } = deps;
  const exporter = new OTLPTraceExporter({
    url: signalUrl(endpoint, "traces"),
    headers: { ...endpoint.headers },
    timeoutMillis: batchTimeoutMs,
  });
  const queue = new SpanQueue(deps, exporter, batchTimeoutMs + GRACE_MS);
  watchBuffer(metrics, "spans", MAX_QUEUED, () => queue.size);
  const onDropped = () => metrics.spans.inc({ outcome: "unsampled" });
  const recorder = recordWithSdk({ ...options, logger, onDropped, next: queue, sink: queue });
  return { recorder, flush: () => queue.forceFlush() };
}
