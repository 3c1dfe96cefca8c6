/** Sends spans to a collector in batches. They wait while it is away, and are dropped and counted when too many do; nobody awaits them. */
import { watchBuffer } from "./gauges.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import {
  type Attributes,
  attributesOf,
  NotTakenError,
  nanoseconds,
  type OtlpEndpoint,
  resourceOf,
  sendOtlp,
} from "./otlp.ts";
import { Outage } from "./outage.ts";
import type { EndedSpan } from "./trace.ts";

export interface SpanExport {
  /** Takes a span, to be sent within a second or so. */
  readonly add: (span: EndedSpan) => void;
  /** Sends what is left. Never rejects. */
  flush(): Promise<void>;
}

/** Spans that wait; what comes then is dropped. */
const MOST_WAITING = 8_192;
const MOST_AT_A_TIME = 512;
const SEND_EVERY_MS = 1_000;

/** @param resource attributes of this process that each of its spans belongs to. */
export function exportSpans(
  using: { readonly logger: Logger; readonly metrics: Metrics },
  endpoint: OtlpEndpoint,
  resource: Attributes,
): SpanExport {
  const queue = new SpanQueue(using, (spans) => sendOtlp(endpoint, "traces", traceMessage(resource, spans)));
  watchBuffer(using.metrics, "spans", MOST_WAITING, () => queue.size);
  setInterval(() => void queue.send(), SEND_EVERY_MS).unref();
  return { add: (span) => queue.add(span), flush: () => queue.flush() };
}

class SpanQueue {
  private waiting: EndedSpan[] = [];
  private sending: Promise<void> | undefined;
  private dropped = 0;
  private readonly outage: Outage;

  constructor(
    private readonly using: { readonly logger: Logger; readonly metrics: Pick<Metrics, "spans"> },
    private readonly take: (spans: readonly EndedSpan[]) => Promise<void>,
  ) {
    const failing = `spans cannot be sent; ${MOST_WAITING} wait at most, the rest is dropped`;
    this.outage = new Outage(using.logger, failing, "spans are sent again");
  }

  get size(): number {
    return this.waiting.length;
  }

  add(span: EndedSpan): void {
    if (this.waiting.length >= MOST_WAITING) this.drop(1);
    else if (this.waiting.push(span) === MOST_AT_A_TIME) void this.send();
  }

  async flush(): Promise<void> {
    await this.sending;
    await this.send();
  }

  /** Never rejects. */
  send(): Promise<void> {
    this.sending ??= this.sendAll().finally(() => {
      this.sending = undefined;
    });
    return this.sending;
  }

  private async sendAll(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, MOST_AT_A_TIME);
      try {
        await this.take(batch);
      } catch (error) {
        this.notTaken(batch, error);
        // The next ones are tried when their time comes, not at once.
        return;
      }
      this.using.metrics.spans.inc({ outcome: "exported" }, batch.length);
      this.outage.ended({ dropped: this.dropped });
      this.dropped = 0;
    }
  }

  private notTaken(batch: readonly EndedSpan[], error: unknown): void {
    const again = error instanceof NotTakenError && error.again;
    const kept = again ? batch.slice(0, MOST_WAITING - this.waiting.length) : [];
    this.waiting.unshift(...kept);
    this.drop(batch.length - kept.length);
    this.outage.failed(error, { waiting: this.waiting.length, dropped: this.dropped });
  }

  private drop(count: number): void {
    this.dropped += count;
    this.using.metrics.spans.inc({ outcome: "dropped" }, count);
  }
}

/** An ExportTraceServiceRequest. */
const traceMessage = (resource: Attributes, spans: readonly EndedSpan[]) => ({
  resourceSpans: [
    { resource: resourceOf(resource), scopeSpans: [{ scope: { name: "lockstep" }, spans: spans.map(spanMessage) }] },
  ],
});

const ERROR = 2;

function spanMessage(span: EndedSpan) {
  const { name, kind, context, parent, startMs, endMs, attributes, links, linksLeftOut, failure } = span;
  return {
    traceId: context.traceId,
    spanId: context.spanId,
    ...(parent ? { parentSpanId: parent.spanId } : {}),
    flags: context.traceFlags,
    name,
    // The protocol counts from 1: its 0 stands for a kind that is not known.
    kind: kind + 1,
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(endMs),
    attributes: attributesOf(attributes as Attributes),
    ...(links.length > 0 ? { links: links.map(({ traceId, spanId }) => ({ traceId, spanId })) } : {}),
    ...(linksLeftOut > 0 ? { droppedLinksCount: linksLeftOut } : {}),
    ...(failure ? { status: { code: ERROR, message: messageOf(failure.error) } } : {}),
  };
}

/** Without the stack: while a database is away every request fails, and each stack would cost more than its request. The log has it. */
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
