/** The text of /metrics, in both formats. */
import { expect, test } from "bun:test";
import { formatFor } from "./exposition.ts";
import { createMetrics } from "./metrics.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const labels = { replica: "catalog", store: "redis" };

test("OpenMetrics has exemplars, Prometheus' format has none", async () => {
  const metrics = createMetrics("replica", "1");
  metrics.syncLatency.observe(labels, 0.004, TRACE);
  metrics.syncLatency.observe(labels, 0.3);
  const own = 'replica="catalog",store="redis",service="replica",instance="1"';
  const open = await metrics.text("openmetrics");
  expect(open).toMatch(
    new RegExp(`_bucket{le="0.005",${own}} 1 # {trace_id="${TRACE}"} 0.004 \\d+(\\.\\d+)?\n`.replaceAll("{", "\\{")),
  );
  expect(open).toEndWith("\n# EOF\n");
  const plain = await metrics.text();
  expect(plain).toContain(`lockstep_sync_latency_seconds_bucket{le="0.005",${own}} 1\n`);
  expect(plain).toContain(`lockstep_sync_latency_seconds_bucket{le="+Inf",${own}} 2\n`);
  expect(plain).toContain(`lockstep_sync_latency_seconds_count{${own}} 2\n`);
  expect(plain).not.toContain(TRACE);
  expect(plain).not.toContain("EOF");
});

test("a histogram counts the same, whether observations share the object of their labels or not", async () => {
  const [one, other] = [createMetrics("replica", "1"), createMetrics("replica", "1")];
  // Sums of these have no rounding error.
  const seconds = [1 / 8192, 1 / 256, 0.25, 1_024, 0.25, 1 / 64];
  for (const [i, value] of seconds.entries()) {
    const traceId = i === 4 ? TRACE : undefined;
    one.syncLatency.observe(labels, value, traceId, i + 1);
    for (let n = 0; n <= i; n++) other.syncLatency.observe({ ...labels }, value, n === 0 ? traceId : undefined);
    one.syncLatency.observe({ ...labels, store: "postgres" }, value);
    other.syncLatency.observe({ ...labels, store: "postgres" }, value);
  }
  const text = await one.text();
  expect(text).toBe(await other.text());
  expect(text).toContain(
    'lockstep_sync_latency_seconds_count{replica="catalog",store="redis",service="replica",instance="1"} 21\n',
  );
});

test("a counter has the same name in both formats; its OpenMetrics family lacks _total", async () => {
  const metrics = createMetrics("relay", "1");
  metrics.relayPublished.inc(3);
  const sample = 'lockstep_relay_published_total{service="relay",instance="1"} 3';
  const open = await metrics.text("openmetrics");
  expect(open).toContain("# TYPE lockstep_relay_published counter\n");
  expect(open).toContain(sample);
  const plain = await metrics.text();
  expect(plain).toContain("# TYPE lockstep_relay_published_total counter\n");
  expect(plain).toContain(sample);
});

test("a gauge without a value is left out", async () => {
  const metrics = createMetrics("gateway", "1");
  expect(await metrics.text()).not.toContain("lockstep_outbox_depth");
  metrics.outboxDepth.set(0);
  expect(await metrics.text()).toContain('lockstep_outbox_depth{service="gateway",instance="1"} 0\n');
});

test("label values are escaped", async () => {
  const metrics = createMetrics("stream", 'a"b\\c\nd');
  metrics.paused.set(1);
  expect(await metrics.text()).toContain('lockstep_paused{service="stream",instance="a\\"b\\\\c\\nd"} 1\n');
});

test("gauges with onCollect have their current values", async () => {
  const metrics = createMetrics("stream", "1");
  let waiting = 1;
  metrics.onCollect(() => metrics.bufferItems.set({ buffer: "receipts" }, waiting));
  expect(await metrics.text()).toContain('buffer="receipts",service="stream",instance="1"} 1\n');
  waiting = 2;
  expect(await metrics.text()).toContain('buffer="receipts",service="stream",instance="1"} 2\n');
});

test("Accept selects OpenMetrics", () => {
  const prometheus =
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
  expect(formatFor(prometheus)).toBe("openmetrics");
  for (const accept of [undefined, "", "*/*", "text/plain"]) expect(formatFor(accept)).toBe("prometheus");
});
