/** Sends one batch of spans to a collector, in bounded time. */
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";

/** The result of one batch. */
export interface ExportOutcome {
  /**
   * rejected: the collector responded with a status after which the same batch would fail again. failed: there was no
   * response, or one that allows a retry.
   */
  readonly outcome: "accepted" | "rejected" | "failed";
  /** Undefined for an accepted batch. */
  readonly error?: unknown;
}

/** OpenTelemetry's code of a successful export. */
export const EXPORT_SUCCESS = 0;

/**
 * Exports a batch; never rejects. The exporter's own timeout starts only when the connection is open: if connection
 * attempts are dropped silently, it waits two minutes.
 *
 * @param timeoutMs after this time, in milliseconds, the batch counts as failed. A later response is ignored.
 */
export const sendSpans = (
  exporter: Pick<SpanExporter, "export">,
  spans: ReadableSpan[],
  timeoutMs: number,
): Promise<ExportOutcome> =>
  new Promise((resolve) => {
    const onTimeout = () => resolve({ outcome: "failed", error: new Error(`no response within ${timeoutMs} ms`) });
    const timer = setTimeout(onTimeout, timeoutMs);
    timer.unref();
    exporter.export(spans, ({ code, error }) => {
      clearTimeout(timer);
      if (code === EXPORT_SUCCESS) resolve({ outcome: "accepted" });
      else resolve({ outcome: isRejection(error) ? "rejected" : "failed", error });
    });
  });

/** The exporter's error has a status only if a retry is pointless. */
const isRejection = (error: unknown): boolean => typeof (error as { code?: unknown } | undefined)?.code === "number";
