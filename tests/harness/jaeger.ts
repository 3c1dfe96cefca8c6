/** Starts Jaeger for a test, and reads traces from its query API. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Jaeger, startJaeger } from "../../stack/servers/jaeger.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./ports.ts";

/** A span as Jaeger returns it. */
export interface TracedSpan {
  readonly service: string;
  readonly name: string;
  readonly spanId: string;
  /** Undefined for the root of a trace. */
  readonly parentSpanId: string | undefined;
  /** Links to spans other than its parent. */
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly kind: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly failed: boolean;
  /** Microseconds since 1970. */
  readonly start: number;
  readonly end: number;
}

interface JaegerResponse {
  readonly data: readonly {
    readonly spans: readonly {
      readonly traceID: string;
      readonly spanID: string;
      readonly operationName: string;
      readonly references: readonly {
        readonly refType: "CHILD_OF" | "FOLLOWS_FROM";
        readonly traceID: string;
        readonly spanID: string;
      }[];
      readonly startTime: number;
      readonly duration: number;
      readonly tags: readonly { readonly key: string; readonly value: unknown }[];
      readonly processID: string;
    }[];
    readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
  }[];
}

/** A running Jaeger. Disposing it stops it and removes its folder. */
export class TestJaeger implements AsyncDisposable {
  private constructor(
    private readonly dir: string,
    private server: Jaeger,
  ) {}

  /** @throws {MissingComponentError} when the binary cannot be provided. */
  static async start(): Promise<TestJaeger> {
    const dir = mkdtempSync(join(tmpdir(), "lockstep-jaeger-"));
    return new TestJaeger(dir, await startJaeger({ dir, port: await freePort(), otlpPort: await freePort() }));
  }

  /** Value for OTEL_EXPORTER_OTLP_ENDPOINT. The same after {@link restart}. */
  get endpoint(): string {
    return this.server.otlpUrl;
  }

  async kill(): Promise<void> {
    await this.server.stop("SIGKILL");
  }

  /** Starts it on the same ports. Earlier traces are lost, since they were in memory. */
  async restart(): Promise<void> {
    const { port, otlpUrl } = this.server;
    this.server = await startJaeger({ dir: this.dir, port, otlpPort: Number(new URL(otlpUrl).port) });
  }

  /** Returns the spans of a trace that Jaeger has so far; empty for an unknown trace. */
  async trace(traceId: string): Promise<TracedSpan[]> {
    const response = await fetch(`${this.server.queryUrl}/api/traces/${traceId}`);
    if (response.status === 404) return [];
    const { data } = (await response.json()) as JaegerResponse;
    return data.flatMap(({ spans, processes }) =>
      spans.map((span) => {
        const attributes = Object.fromEntries(span.tags.map(({ key, value }) => [key, value]));
        const parent = span.references.find(
          ({ refType, traceID }) => refType === "CHILD_OF" && traceID === span.traceID,
        );
        return {
          service: processes[span.processID]?.serviceName ?? "?",
          name: span.operationName,
          spanId: span.spanID,
          parentSpanId: parent?.spanID,
          links: span.references
            .filter((reference) => reference !== parent)
            .map(({ traceID, spanID }) => ({ traceId: traceID, spanId: spanID })),
          kind: String(attributes["span.kind"]),
          attributes,
          failed: attributes.error === true,
          start: span.startTime,
          end: span.startTime + span.duration,
        };
      }),
    );
  }

  /** Waits until a trace is complete. @throws {Error} with the spans received so far, after `timeoutMs`. */
  untilTrace(
    traceId: string,
    complete: (spans: readonly TracedSpan[]) => boolean,
    timeoutMs = 30_000,
  ): Promise<TracedSpan[]> {
    let seen: TracedSpan[] = [];
    return eventually(
      async () => {
        seen = await this.trace(traceId);
        return complete(seen) && seen;
      },
      { timeoutMs, what: `trace ${traceId} to be complete`, everyMs: 100 },
    ).catch((error) => {
      throw new Error(
        `${error}\n${seen.map((s) => `${s.service}: ${s.name} (${s.spanId} below ${s.parentSpanId})`).join("\n")}`,
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
