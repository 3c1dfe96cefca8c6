/** An embedded Jaeger 2 with its traces in memory. It receives spans over OTLP/HTTP and serves queries over HTTP. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { jaegerBinary } from "./jaeger-binary.ts";
import { probeHttp } from "./probes.ts";
import { launch, type Server, type StartOptions, waitUntilAnswering } from "./server.ts";

/** Where and how to start a Jaeger. */
export interface JaegerOptions extends StartOptions {
  readonly dir: string;
  /** Port of the query API, and of the web page if the binary contains one. */
  readonly port: number;
  /** Port that receives spans over OTLP/HTTP. */
  readonly otlpPort: number;
  /** Limit of stored traces; the oldest are removed first. Default: 10,000. */
  readonly maxTraces?: number;
}

/** A running Jaeger. */
export interface Jaeger extends Server {
  /** Value for `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly otlpUrl: string;
  /** Base URL of `/api/traces/ID`, `/api/services` and the page; the same as `url`. */
  readonly queryUrl: string;
}

/**
 * Starts a Jaeger on two ports of 127.0.0.1.
 *
 * @throws {MissingComponentError} when the machine has neither Jaeger nor Go, or the build fails.
 * @throws {UserError} with the log's last lines when it does not start.
 */
export async function startJaeger(options: JaegerOptions): Promise<Jaeger> {
  const { port, otlpPort } = options;
  const dir = resolve(options.dir);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const command = await jaegerBinary(options);
  const config = join(dir, "jaeger.json");
  writeFileSync(config, JSON.stringify(configuration(options), null, 2));
  const logFile = join(dir, "jaeger.log");
  const queryUrl = `http://127.0.0.1:${port}`;
  const server = launch({
    name: "jaeger",
    kind: "jaeger",
    url: queryUrl,
    port,
    command,
    args: ["--config", config],
    logFile,
    cleanSignal: "SIGTERM",
    graceMs: 5_000,
  });
  await waitUntilAnswering(server, () => probeHttp(`${queryUrl}/api/services`), {
    timeoutMs: 20_000,
    logFile,
    options,
  });
  return { ...server, queryUrl, otlpUrl: `http://127.0.0.1:${otlpPort}` };
}

/** Jaeger's configuration is YAML, and JSON is valid YAML. Port 0 is for the gRPC API, which is not used here. */
const configuration = ({ port, otlpPort, maxTraces = 10_000 }: JaegerOptions) => ({
  service: {
    extensions: ["jaeger_storage", "jaeger_query"],
    pipelines: { traces: { receivers: ["otlp"], exporters: ["jaeger_storage_exporter"] } },
    telemetry: { metrics: { level: "none" }, logs: { level: "warn" } },
  },
  extensions: {
    jaeger_storage: { backends: { memory: { memory: { max_traces: maxTraces } } } },
    jaeger_query: {
      storage: { traces: "memory" },
      // Otherwise Jaeger sends traces of its own queries to any collector on the default port.
      enable_tracing: false,
      http: { endpoint: `127.0.0.1:${port}` },
      grpc: { endpoint: "127.0.0.1:0" },
    },
  },
  receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${otlpPort}` } } } },
  exporters: { jaeger_storage_exporter: { trace_storage: "memory" } },
});
