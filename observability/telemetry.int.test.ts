import { afterEach, expect, test } from "bun:test";
import { readSettings, telemetryOptionsOf } from "../platform/settings/settings.ts";
import { VERSION } from "../platform/version.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { OtlpReceiver } from "../tests/harness/otlp-receiver.ts";
import { createLogger } from "./logger.ts";
import { createMetrics } from "./metrics.ts";
import { startTelemetry } from "./telemetry.ts";
import { SpanKind, setRecorder, startSpan, traceIdOf } from "./trace.ts";

const deps = { logger: createLogger("gateway", "2", "silent"), metrics: createMetrics("gateway", "2") };
const telemetry = (OTEL_EXPORTER_OTLP_ENDPOINT?: string) =>
  startTelemetry(
    { service: "gateway", instance: "2", version: VERSION },
    telemetryOptionsOf(readSettings({ OTEL_EXPORTER_OTLP_ENDPOINT })),
    deps,
  );

afterEach(() => setRecorder(undefined));

test("spans reach the endpoint with their tree and the service's name, and without the command line", async () => {
  using receiver = new OtlpReceiver();
  await telemetry(`${receiver.endpoint}/`);
  const root = startSpan("PUT /products/{id}", {
    kind: SpanKind.SERVER,
    attributes: { "http.route": "/products/{id}" },
  });
  startSpan("update products", { parent: root.traceparent, kind: SpanKind.CLIENT }).end(new Error("no connection"));
  root.end();
  const spans = await receiver.untilTrace(traceIdOf(root.traceparent)!, (all) => all.length === 2, 20_000);
  const server = spans.find((span) => span.kind === "server")!;
  expect(server).toMatchObject({
    service: "lockstep-gateway",
    name: "PUT /products/{id}",
    parentSpanId: "",
    attributes: { "http.route": "/products/{id}" },
    status: "unset",
  });
  expect(server.end).toBeGreaterThanOrEqual(server.start);
  expect(spans.find((span) => span.kind === "client")).toMatchObject({ parentSpanId: server.spanId, status: "error" });
  expect(Object.keys(server.resource).sort()).toEqual([
    "service.instance.id",
    "service.name",
    "service.namespace",
    "service.version",
  ]);
}, 30_000);

test("spans that the collector rejects are not sent again", async () => {
  let requests = 0;
  using collector = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch() {
      requests++;
      return new Response("unauthorized", { status: 401 });
    },
  });
  const metrics = createMetrics("gateway", "2");
  const settings = readSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}` });
  const { flush } = await startTelemetry(
    { service: "gateway", instance: "2", version: VERSION },
    telemetryOptionsOf(settings),
    { ...deps, metrics },
  );
  startSpan("refused", {}).end();
  await flush();
  await flush();
  expect(requests).toBe(1);
  expect(await metrics.text()).toMatch(/lockstep_spans_total\{outcome="dropped".*\} 1\n/);
});

test("flush sends the queued spans", async () => {
  using receiver = new OtlpReceiver();
  const { flush } = await telemetry(receiver.endpoint);
  const span = startSpan("last span", {});
  span.end();
  await flush();
  expect(receiver.trace(traceIdOf(span.traceparent)!)).toHaveLength(1);
});

test("an unavailable endpoint delays no span, and flush ends in bounded time", async () => {
  const { flush } = await telemetry("http://127.0.0.1:9");
  const begun = performance.now();
  for (let i = 0; i < 20_000; i++) {
    const span = startSpan("lost", {});
    expect(span.traceparent).toBeDefined();
    span.end();
  }
  await flush();
  // 20,000 spans cost about 0.2 s. The test shows that no span waits for a queue or a connection.
  expect(performance.now() - begun).toBeLessThan(5_000);
});

test("spans are sent again after an outage of the endpoint", async () => {
  using receiver = new OtlpReceiver();
  receiver.rejections = 1;
  await telemetry(receiver.endpoint);
  await eventually(
    () => {
      startSpan("retry", {}).end();
      return receiver.spans.length > 0 && receiver.requests > 1;
    },
    { timeoutMs: 20_000, what: "spans after a rejected batch" },
  );
}, 30_000);

test("failed and slow spans are exported and marked despite the ratio; exported and unsampled spans are counted", async () => {
  using receiver = new OtlpReceiver();
  const metrics = createMetrics("gateway", "2");
  const settings = readSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, LOCKSTEP_TRACE_RATIO: "0" });
  const { flush } = await startTelemetry(
    { service: "gateway", instance: "2", version: VERSION },
    telemetryOptionsOf(settings),
    { ...deps, metrics },
  );
  const root = startSpan("write", {});
  startSpan("insert", { parent: root.traceparent }).end(new Error("no connection"));
  startSpan("apply", { parent: root.traceparent, writeStartMs: Date.now() - 60_000 }).end();
  root.end();
  await flush();
  expect(receiver.spans).toMatchObject([
    { name: "insert", status: "error", attributes: { "lockstep.kept": "failed", "error.type": "Error" } },
    { name: "apply", status: "unset", attributes: { "lockstep.kept": "slow" } },
  ]);
  const text = await metrics.text();
  for (const [outcome, count] of Object.entries({ exported: 2, unsampled: 1 }))
    expect(text).toMatch(new RegExp(`lockstep_spans_total\\{outcome="${outcome}".*\\} ${count}\n`));
});

test("each request has the configured headers, and attributes keep their types", async () => {
  using receiver = new OtlpReceiver();
  const settings = readSettings({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20a%3D1,x-tenant=shop",
  });
  const { flush } = await startTelemetry(
    { service: "gateway", instance: "2", version: VERSION },
    telemetryOptionsOf(settings),
    deps,
  );
  const attributes = { whole: -7, half: 0.5, yes: true, list: ["a", "b"], text: "\u00e9" };
  startSpan("kinds", { attributes, kind: SpanKind.PRODUCER }).end();
  await flush();
  expect(receiver.headers.get("authorization")).toBe("Bearer a=1");
  expect(receiver.headers.get("x-tenant")).toBe("shop");
  expect(receiver.spans).toMatchObject([{ name: "kinds", kind: "producer", attributes }]);
});

test("with OTEL_SDK_DISABLED nothing is recorded, and context is propagated", async () => {
  process.env.OTEL_SDK_DISABLED = "true";
  try {
    await telemetry("http://127.0.0.1:9");
  } finally {
    delete process.env.OTEL_SDK_DISABLED;
  }
  const parent = `00-${"1".repeat(32)}-${"2".repeat(16)}-01`;
  expect(startSpan("unrecorded", { parent }).traceparent).toBe(parent);
  expect(startSpan("unrecorded", {}).traceparent).toBeUndefined();
});

test("without an endpoint nothing is recorded", async () => {
  const { flush } = await telemetry();
  expect(startSpan("unrecorded", {}).traceparent).toBeUndefined();
  await flush();
});
