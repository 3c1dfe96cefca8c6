/** Metrics over OTLP, with a real collector. */
import { afterEach, expect, test } from "bun:test";
import { readSettings, telemetryOptionsOf } from "../platform/settings/settings.ts";
import { VERSION } from "../platform/version.ts";
import { startCollector } from "../tests/harness/collector.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { createLogger } from "./logger.ts";
import { createMetrics } from "./metrics.ts";
import { startTelemetry } from "./telemetry.ts";
import { setRecorder } from "./trace.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

afterEach(() => setRecorder(undefined));

/** Value of the sample with this name and at least these labels. */
function sample(text: string, name: string, labels: Record<string, string> = {}): number | undefined {
  const line = text
    .split("\n")
    .find((one) => one.startsWith(`${name}{`) && Object.entries(labels).every(([l, v]) => one.includes(`${l}="${v}"`)));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf("}") + 1));
}

test("a collector gets the names and values of /metrics, periodically and at the end", async () => {
  await using collector = await startCollector();
  const metrics = createMetrics("replica-catalog", "2");
  const settings = readSettings({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_METRICS_EXPORTER: "otlp",
    OTEL_METRIC_EXPORT_INTERVAL: "1000",
  });
  const logger = createLogger("replica-catalog", "2", "silent");
  const { flush } = await startTelemetry(
    { service: "replica-catalog", instance: "2", version: VERSION },
    telemetryOptionsOf(settings),
    { logger, metrics },
  );
  const labels = { replica: "catalog", store: "redis" };
  for (const seconds of [0.001, 0.004, 0.004, 7]) metrics.syncLatency.observe(labels, seconds);
  metrics.rebuilds.inc(3);
  metrics.consumerLag.set({ group: "lockstep.replica.catalog", partition: "3" }, 12);

  const by = { job: "lockstep/lockstep-replica-catalog", instance: "2" };
  const latency = (text: string, of: string, more = {}) =>
    sample(text, `lockstep_sync_latency_seconds_${of}`, { ...by, ...labels, ...more });
  await eventually(async () => latency(await collector.scrape(), "count") === 4, {
    timeoutMs: 20_000,
    what: "the collector to receive the latency",
  });
  const text = await collector.scrape();
  const upTo = ["0.002", "0.005", "5", "10", "+Inf"].map((le) => latency(text, "bucket", { le }));
  expect(upTo).toEqual([1, 3, 3, 4, 4]);
  expect(latency(text, "sum")).toBeCloseTo(7.009);
  expect(sample(text, "lockstep_rebuilds_total", by)).toBe(3);
  expect(sample(text, "lockstep_consumer_lag", { ...by, partition: "3" })).toBe(12);
  const names = (await metrics.text()).match(/^lockstep_\w+(?=\{)/gm)!;
  for (const name of new Set(names)) expect(text).toContain(`\n${name}{`);

  metrics.syncLatency.observe(labels, 0.3, TRACE);
  metrics.rebuilds.inc();
  await flush();
  expect(sample(await collector.scrape(), "lockstep_rebuilds_total", by)).toBe(4);
  const open = await collector.scrape("application/openmetrics-text;version=1.0.0");
  expect(open).toMatch(new RegExp(`le="0.5".* # \\{.*trace_id="${TRACE}".*\\} 0.3`));
}, 60_000);
