/** Sends the spans of this process to a collector, by OpenTelemetry's SDK and exporter. */
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { watchBuffer } from "./gauges.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { type OtlpEndpoint, urlOf } from "./otlp.ts";
import { type Recording, recordWithSdk } from "./record-spans.ts";
import { MAX_QUEUED, SpanQueue } from "./span-queue.ts";
import type { Recorder } from "./trace.ts";

export interface SpanExport {
  /** Undefined where OTEL_SDK_DISABLED forbids to record. */
  readonly recorder: Recorder | undefined;
  /** Sends what is left. Never rejects. */
  flush(): Promise<void>;
}

/** One batch is tried for so long, again and again with pauses, before the collector counts as away. */
const TRY_FOR_MS = 5_000;
/** For the exporter to say so itself. */
const GRACE_MS = 1_000;

export function exportSpans(
  deps: { readonly logger: Logger; readonly metrics: Metrics },
  endpoint: OtlpEndpoint,
  settings: Pick<Recording, "resource" | "ratio" | "slowMs">,
  tryForMs = TRY_FOR_MS,
): SpanExport {
  const { logger, metrics } = deps;
  const exporter = new OTLPTraceExporter({
    url: urlOf(endpoint, "traces"),
    headers: { ...endpoint.headers },
    timeoutMillis: tryForMs,
  });
  const queue = new SpanQueue(deps, exporter, tryForMs + GRACE_MS);
  watchBuffer(metrics, "spans", MAX_QUEUED, () => queue.size);
  const onDropped = () => metrics.spans.inc({ outcome: "unsampled" });
  const recorder = recordWithSdk({ ...settings, logger, onDropped, next: queue, taker: queue });
  return { recorder, flush: () => queue.forceFlush() };
}
