/** Starts an OpenTelemetry Collector that exposes received metrics in Prometheus' format. Jaeger's binary contains one. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jaegerBinary } from "../../stack/servers/jaeger-binary.ts";
import { launch, waitUntilAnswering } from "../../stack/servers/server.ts";
import { freePort } from "./ports.ts";

/** A running collector. Disposing it stops it and removes its folder. */
export interface Collector extends AsyncDisposable {
  /** Value for OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  /** Returns its metrics as Prometheus scrapes them. */
  readonly scrape: (accept?: string) => Promise<string>;
}

/** @throws {Error} when it does not answer within 20 s; {MissingComponentError} when the binary cannot be provided. */
export async function startCollector(): Promise<Collector> {
  const dir = mkdtempSync(join(tmpdir(), "lockstep-collector-"));
  const [otlpPort, port] = [await freePort(), await freePort()];
  const config = join(dir, "config.json");
  writeFileSync(config, JSON.stringify(configuration(otlpPort, port)));
  const logFile = join(dir, "collector.log");
  const url = `http://127.0.0.1:${port}/metrics`;
  const scrape = async (accept = "text/plain") => (await fetch(url, { headers: { accept } })).text();
  const server = launch({
    ...{ name: "collector", kind: "collector", url, port, logFile, cleanSignal: "SIGTERM", graceMs: 5_000 },
    command: await jaegerBinary({}),
    args: ["--config", config],
  });
  await waitUntilAnswering(server, () => scrape(), { timeoutMs: 20_000, logFile, options: {} });
  return {
    endpoint: `http://127.0.0.1:${otlpPort}`,
    scrape,
    async [Symbol.asyncDispose]() {
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const configuration = (otlpPort: number, port: number) => ({
  service: {
    pipelines: { metrics: { receivers: ["otlp"], exporters: ["prometheus"] } },
    telemetry: { metrics: { level: "none" }, logs: { level: "warn" } },
  },
  receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${otlpPort}` } } } },
  exporters: { prometheus: { endpoint: `127.0.0.1:${port}`, enable_open_metrics: true } },
});
