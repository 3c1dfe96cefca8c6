/** An OTLP/HTTP endpoint that stores the spans it receives. */
import { eventually } from "./eventually.ts";
import { allMessages, bytesOf, members, numberOf, textOf, toDouble } from "./protobuf.ts";

type Attribute = string | number | boolean | Attribute[] | undefined;
/** Attributes of a span or resource, by name. */
export type Attributes = Readonly<Record<string, Attribute>>;

/** A decoded span. */
export interface ReceivedSpan {
  readonly service: string;
  readonly resource: Attributes;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the root of a trace. */
  readonly parentSpanId: string;
  readonly name: string;
  /** As `SpanKind` names them in the protocol. */
  readonly kind: "unspecified" | "internal" | "server" | "client" | "producer" | "consumer";
  /** Nanoseconds since 1970. */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Attributes;
  readonly status: "unset" | "ok" | "error";
}

const kinds = ["unspecified", "internal", "server", "client", "producer", "consumer"] as const;
const statuses = ["unset", "ok", "error"] as const;

/** Decodes the spans of an ExportTraceServiceRequest (opentelemetry-proto, trace/v1/trace.proto). */
export const decodeSpans = (request: Uint8Array): ReceivedSpan[] =>
  allMessages(request, 1).flatMap((resourceSpans) => {
    const resource = attributes(bytesOf(resourceSpans, 1), 1);
    const service = String(resource["service.name"]);
    return allMessages(resourceSpans, 2)
      .flatMap((scopeSpans) => allMessages(scopeSpans, 2))
      .map((span) => ({
        service,
        resource,
        traceId: Buffer.from(bytesOf(span, 1)).toString("hex"),
        spanId: Buffer.from(bytesOf(span, 2)).toString("hex"),
        parentSpanId: Buffer.from(bytesOf(span, 4)).toString("hex"),
        name: textOf(span, 5),
        kind: kinds[Number(numberOf(span, 6))] ?? "unspecified",
        start: numberOf(span, 7),
        end: numberOf(span, 8),
        attributes: attributes(span, 9),
        status: statuses[Number(numberOf(bytesOf(span, 15), 3))] ?? "unset",
      }));
  });

const attributes = (message: Uint8Array, field: number): Attributes =>
  Object.fromEntries(allMessages(message, field).map((pair) => [textOf(pair, 1), anyValue(bytesOf(pair, 2))]));

function anyValue(message: Uint8Array): Attribute {
  for (const { field, value } of members(message)) {
    if (field === 1 && typeof value !== "bigint") return new TextDecoder().decode(value);
    if (field === 2) return value === 1n;
    if (field === 3 && typeof value === "bigint") return Number(BigInt.asIntN(64, value));
    if (field === 4 && typeof value === "bigint") return toDouble(value);
    if (field === 5 && typeof value !== "bigint") return allMessages(value, 1).map(anyValue);
  }
  return undefined;
}

/** The endpoint. Disposing it stops its server. */
export class OtlpReceiver implements Disposable {
  /** All spans received so far. */
  readonly spans: ReceivedSpan[] = [];
  /** Number of further requests to answer with 503. */
  rejections = 0;
  /** Number of requests received, including rejected ones. */
  requests = 0;
  /** Headers of the last accepted request. */
  headers = new Headers();
  private readonly server;

  constructor(port = 0) {
    this.server = Bun.serve({ port, hostname: "127.0.0.1", fetch: (request) => this.receive(request) });
  }

  /** Value for OTEL_EXPORTER_OTLP_ENDPOINT. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }

  /** Returns the spans of one trace received so far. */
  trace(traceId: string): ReceivedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  /** Waits until the spans of a trace satisfy `complete`. @throws {Error} with the spans as a tree after `timeoutMs`. */
  async untilTrace(
    traceId: string,
    complete: (spans: readonly ReceivedSpan[]) => boolean,
    timeoutMs: number,
  ): Promise<ReceivedSpan[]> {
    try {
      await eventually(() => complete(this.trace(traceId)), { timeoutMs, what: "the trace to be complete" });
    } catch {
      throw new Error(`trace ${traceId} is not complete after ${timeoutMs} ms:\n${treeOf(this.trace(traceId))}`);
    }
    return this.trace(traceId);
  }

  /** Waits for the first span that matches. @throws {Error} after `timeoutMs`. */
  untilSpan(matches: (span: ReceivedSpan) => boolean, timeoutMs: number): Promise<ReceivedSpan> {
    return eventually(() => this.spans.find(matches), { timeoutMs, what: "a matching span" });
  }

  [Symbol.dispose](): void {
    void this.server.stop(true);
  }

  private async receive(request: Request): Promise<Response> {
    this.requests++;
    if (this.rejections > 0) {
      this.rejections--;
      return new Response(null, { status: 503 });
    }
    const { pathname } = new URL(request.url);
    if (request.method !== "POST" || pathname !== "/v1/traces") return new Response(null, { status: 404 });
    if (request.headers.get("content-type") !== "application/x-protobuf") return new Response(null, { status: 415 });
    this.headers = request.headers;
    const body = new Uint8Array(await request.arrayBuffer());
    this.spans.push(...decodeSpans(request.headers.get("content-encoding") === "gzip" ? Bun.gunzipSync(body) : body));
    // An empty ExportTraceServiceResponse has no bytes.
    return new Response(null, { headers: { "content-type": "application/x-protobuf" } });
  }
}

/** Formats a trace as an indented list, one line `service: name` for each span. Siblings are in order of their start. */
export function treeOf(spans: readonly ReceivedSpan[]): string {
  const known = new Set(spans.map((span) => span.spanId));
  const below = (isChild: (span: ReceivedSpan) => boolean, depth: number): string[] =>
    spans
      .filter(isChild)
      .sort((a, b) => (a.start < b.start ? -1 : 1))
      .flatMap((span) => [
        `${"  ".repeat(depth)}${span.service}: ${span.name}`,
        ...below((child) => child.parentSpanId === span.spanId, depth + 1),
      ]);
  return below((span) => !known.has(span.parentSpanId), 0).join("\n");
}
