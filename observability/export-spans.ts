/**
 * Sends spans to an OTLP/HTTP endpoint in batches; they are dropped, counted and reported rather than awaited when it is away.
 *
 * OpenTelemetry's exporter makes and sends the messages. Its SDK is not used: what is recorded here needs none of its samplers,
 * processors and contexts, and it cannot keep a span for how it ended.
 */
import { SpanStatusCode } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { watchBuffer } from "./gauges.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import { timeOf } from "./time.ts";
import type { EndedSpan, Recorder } from "./trace.ts";

export interface SpanExport {
  readonly recorder: Recorder;
  /** Sends what is left. Never rejects. */
  flush(): Promise<void>;
}

/** Spans that wait; what comes then is dropped. */
const MOST_WAITING = 8_192;
const MOST_AT_A_TIME = 512;
const SEND_EVERY_MS = 1_000;
const SEND_TIMEOUT_MS = 5_000;

export function exportSpans(
  using: { readonly logger: Logger; readonly metrics: Metrics },
  settings: {
    /** Attributes of this process that each of its spans belongs to. */
    readonly resource: Readonly<Record<string, string>>;
    /** Base URL; `/v1/traces` is appended (OpenTelemetry protocol exporter, "Endpoint URLs for OTLP/HTTP"). */
    readonly endpoint: string;
    readonly ratio: number;
    readonly slowMs: number;
  },
): SpanExport {
  const { logger, metrics } = using;
  const queue = new SpanQueue(settings, (exported, dropped, error) => {
    metrics.spans.inc({ outcome: "exported" }, exported);
    metrics.spans.inc({ outcome: "dropped" }, dropped);
    tell(exported, dropped, error);
  });
  const tell = lossTeller(logger);
  watchBuffer(metrics, "spans", MOST_WAITING, () => queue.size);
  const { ratio, slowMs } = settings;
  return {
    recorder: {
      ratio,
      slowMs,
      keep: (span) => queue.add(span),
      leave: () => metrics.spans.inc({ outcome: "unsampled" }),
    },
    flush: () => queue.flush(),
  };
}

type Told = (exported: number, dropped: number, error?: unknown) => void;

/** Says once when spans are lost, and once when they are sent again, with how many were lost in between. */
function lossTeller(logger: Logger): Told {
  let lost = 0;
  return (exported, dropped, error) => {
    if (dropped > 0 && lost === 0)
      logger.warn({ err: error, mostWaiting: MOST_WAITING }, "spans cannot be sent; they are dropped until that works");
    lost += dropped;
    if (exported === 0 || lost === 0) return;
    logger.info({ lost }, "spans are sent again");
    lost = 0;
  };
}

class SpanQueue {
  private waiting: EndedSpan[] = [];
  private dropped = 0;
  private sending: Promise<void> | undefined;
  private readonly exporter: OTLPTraceExporter;
  private readonly common;

  constructor(
    { endpoint, resource }: { readonly endpoint: string; readonly resource: Readonly<Record<string, string>> },
    private readonly tell: Told,
  ) {
    this.exporter = new OTLPTraceExporter({
      url: `${endpoint.replace(/\/$/, "")}/v1/traces`,
      timeoutMillis: SEND_TIMEOUT_MS,
    });
    // One object for all spans: the exporter gathers them by it.
    this.common = { resource: resourceFromAttributes(resource), instrumentationScope: { name: "lockstep" } };
    setInterval(() => this.send(), SEND_EVERY_MS).unref();
  }

  get size(): number {
    return this.waiting.length;
  }

  add(span: EndedSpan): void {
    if (this.waiting.length >= MOST_WAITING) this.dropped++;
    else if (this.waiting.push(span) === MOST_AT_A_TIME) this.send();
  }

  async flush(): Promise<void> {
    await this.sending;
    await this.send();
  }

  private send(): Promise<void> {
    this.sending ??= this.sendAll().finally(() => {
      this.sending = undefined;
    });
    return this.sending;
  }

  private async sendAll(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, MOST_AT_A_TIME);
      const error = await this.sendBatch(batch);
      const { dropped } = this;
      this.dropped = 0;
      if (error === undefined) this.tell(batch.length, dropped);
      else this.tell(0, batch.length + dropped, error);
      // The next ones are tried when their time comes, not at once.
      if (error !== undefined) return;
    }
  }

  /** @returns why it failed, or undefined. */
  private sendBatch(batch: readonly EndedSpan[]): Promise<unknown> {
    return new Promise((resolve) => {
      const spans = batch.map((span) => readable(span, this.common));
      // 0 is OpenTelemetry's code for success.
      this.exporter.export(spans, ({ code, error }) => resolve(code === 0 ? undefined : (error ?? "refused")));
    });
  }
}

/** A span as OpenTelemetry's exporters take it. */
function readable(span: EndedSpan, common: Pick<ReadableSpan, "resource" | "instrumentationScope">): ReadableSpan {
  const { name, kind, context, parent, startMs, endMs, attributes, links, linksLeftOut, failure } = span;
  return {
    ...common,
    name,
    kind,
    spanContext: () => context,
    ...(parent ? { parentSpanContext: parent } : {}),
    startTime: timeOf(startMs),
    endTime: timeOf(endMs),
    duration: timeOf(endMs - startMs),
    ended: true,
    status: failure
      ? { code: SpanStatusCode.ERROR, message: messageOf(failure.error) }
      : { code: SpanStatusCode.UNSET },
    attributes,
    links: links.map((linked) => ({ context: linked })),
    events: failure?.error instanceof Error ? [exceptionEvent(failure.error, endMs)] : [],
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: linksLeftOut,
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** @see https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/ */
const exceptionEvent = ({ name, message, stack }: Error, atMs: number) => ({
  name: "exception",
  time: timeOf(atMs),
  attributes: {
    "exception.type": name,
    "exception.message": message,
    ...(stack ? { "exception.stacktrace": stack } : {}),
  },
});
