/** One batch of spans on its way to a collector: what became of it, in bounded time whatever the collector does. */
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";

export interface Sent {
  /**
   * Refused: the answer was a status after which the same batch will not be taken either. Failed: there was no answer, or one that asks for
   * patience.
   */
  readonly outcome: "taken" | "refused" | "failed";
  /** Undefined when they were taken. */
  readonly error?: unknown;
}

/** OpenTelemetry's code for a batch that was taken. */
export const ACCEPTED = 0;

/**
 * Never rejects. The exporter's own time-out begins with the connection: where each attempt to connect is swallowed, it waits for two minutes.
 *
 * @param timeoutMs after which it counts as failed; an answer that comes later is not heard.
 */
export const sendSpans = (
  exporter: Pick<SpanExporter, "export">,
  spans: ReadableSpan[],
  timeoutMs: number,
): Promise<Sent> =>
  new Promise((resolve) => {
    const late = () => resolve({ outcome: "failed", error: new Error(`no answer within ${timeoutMs} ms`) });
    const timer = setTimeout(late, timeoutMs);
    timer.unref();
    exporter.export(spans, ({ code, error }) => {
      clearTimeout(timer);
      resolve(code === ACCEPTED ? { outcome: "taken" } : { outcome: isRefusal(error) ? "refused" : "failed", error });
    });
  });

/** Those batches that may pass later fail without a status. */
const isRefusal = (error: unknown): boolean => typeof (error as { code?: unknown } | undefined)?.code === "number";
