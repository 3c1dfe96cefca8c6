/** An OTLP/HTTP endpoint that keeps the spans it is sent, for tests to ask for. */

import { eventually } from "./eventually.ts";

type Attribute = string | number | boolean | Attribute[] | undefined;
export type Attributes = Readonly<Record<string, Attribute>>;

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

interface Pair {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly boolValue?: boolean;
    readonly intValue?: string;
    readonly doubleValue?: number;
    readonly arrayValue?: { readonly values: readonly Pair["value"][] };
  };
}

/** An ExportTraceServiceRequest as JSON (opentelemetry-proto, trace/v1/trace.proto), as far as it is looked at. */
export interface TraceRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Pair[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly name: string;
        readonly kind: number;
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly attributes: readonly Pair[];
        readonly status?: { readonly code: number };
      }[];
    }[];
  }[];
}

const spansOf = ({ resourceSpans }: TraceRequest): ReceivedSpan[] =>
  resourceSpans.flatMap(({ resource: { attributes }, scopeSpans }) => {
    const resource = attributesOf(attributes);
    return scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        service: String(resource["service.name"]),
        resource,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? "",
        name: span.name,
        kind: kinds[span.kind] ?? "unspecified",
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        attributes: attributesOf(span.attributes),
        status: statuses[span.status?.code ?? 0] ?? "unset",
      })),
    );
  });

const attributesOf = (pairs: readonly Pair[]): Attributes =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, anyValue(value)]));

const anyValue = ({ stringValue, boolValue, intValue, doubleValue, arrayValue }: Pair["value"]): Attribute =>
  stringValue ??
  boolValue ??
  doubleValue ??
  (intValue === undefined ? arrayValue?.values.map(anyValue) : Number(intValue));

export class OtlpReceiver implements Disposable {
  readonly spans: ReceivedSpan[] = [];
  /** Requests to answer with 503 before taking any more. */
  refuse = 0;
  /** Requests that came, also refused ones. */
  requests = 0;
  /** Of the last request that was taken. */
  headers = new Headers();
  private readonly server;

  constructor(port = 0) {
    this.server = Bun.serve({ port, hostname: "127.0.0.1", fetch: (request) => this.receive(request) });
  }

  /** What OTEL_EXPORTER_OTLP_ENDPOINT must be. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }

  trace(traceId: string): ReceivedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  /** Spans of one trace, as soon as they satisfy `complete`. @throws {Error} with the tree that came, when they don't in time. */
  async untilTrace(
    traceId: string,
    complete: (spans: readonly ReceivedSpan[]) => boolean,
    withinMs: number,
  ): Promise<ReceivedSpan[]> {
    try {
      await eventually(() => complete(this.trace(traceId)), { withinMs, what: "the trace to be complete" });
    } catch {
      throw new Error(`trace ${traceId} is not complete after ${withinMs} ms:\n${treeOf(this.trace(traceId))}`);
    }
    return this.trace(traceId);
  }

  /** The first span that matches, as soon as it came. @throws {Error} when none does in time. */
  untilSpan(matches: (span: ReceivedSpan) => boolean, withinMs: number): Promise<ReceivedSpan> {
    return eventually(() => this.spans.find(matches), { withinMs, what: "a matching span" });
  }

  [Symbol.dispose](): void {
    void this.server.stop(true);
  }

  private async receive(request: Request): Promise<Response> {
    this.requests++;
    if (this.refuse > 0) {
      this.refuse--;
      return new Response(null, { status: 503 });
    }
    const { pathname } = new URL(request.url);
    if (request.method !== "POST" || pathname !== "/v1/traces") return new Response(null, { status: 404 });
    if (request.headers.get("content-type") !== "application/json") return new Response(null, { status: 415 });
    this.headers = request.headers;
    this.spans.push(...spansOf((await request.json()) as TraceRequest));
    return Response.json({});
  }
}

/** A trace as an indented list, one line for each span: `service: name`; siblings in the order they began. */
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
