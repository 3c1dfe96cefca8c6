/** An unavailable collector costs a service no work and no memory, and trace context is still propagated. */
import { afterEach, beforeEach, expect, type Mock, spyOn, test } from "bun:test";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import pino from "pino";
import { eventually } from "../tests/harness/eventually.ts";
import { OtlpReceiver } from "../tests/harness/otlp-receiver.ts";
import { freePort } from "../tests/harness/servers.ts";
import { exportSpans } from "./export-spans.ts";
import type { Logger } from "./logger.ts";
import { createMetrics } from "./metrics.ts";
import { SpanKind, setRecorder, startSpan } from "./trace.ts";

/** Time for which one batch is retried. It is shorter than in production, which changes only the first seconds. */
const BATCH_TIMEOUT_MS = 500;
const RETAINED = 64;

let exportSpy: Mock<OTLPTraceExporter["export"]>;
beforeEach(() => {
  exportSpy = spyOn(OTLPTraceExporter.prototype, "export");
});
afterEach(() => {
  exportSpy.mockRestore();
  setRecorder(undefined);
});

const encodedSpans = () => exportSpy.mock.calls.reduce((sum, [spans]) => sum + spans.length, 0);

function traceTo(url: string, batchTimeoutMs = BATCH_TIMEOUT_MS) {
  const lines: { msg: string; dropped?: number }[] = [];
  const logger = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line)) }) as Logger;
  const metrics = createMetrics("gateway", "1");
  const settings = { resource: { "service.name": "lockstep-gateway" }, ratio: 1, slowMs: 60_000 };
  const { recorder, flush } = exportSpans({ logger, metrics }, { url, headers: {} }, settings, batchTimeoutMs);
  setRecorder(recorder);
  const value = async (of: RegExp) => Number(of.exec(await metrics.text())?.[1] ?? 0);
  return {
    lines,
    flush,
    waiting: () => value(/lockstep_buffer_items\{buffer="spans".*\} (\d+)/),
    dropped: () => value(/lockstep_spans_total\{outcome="dropped".*\} (\d+)/),
    logged: (prefix: string) =>
      eventually(() => lines.find(({ msg }) => msg.startsWith(prefix)), { timeoutMs: 20_000, what: `"${prefix}"` }),
  };
}

/** The spans of a write at the gateway. */
function write(parent?: string): { request: string | undefined; statement: string | undefined } {
  const attributes = { "http.request.method": "PUT", "url.path": "/products/1", "http.route": "/products/:id" };
  const request = startSpan("PUT /products/:id", { parent, kind: SpanKind.SERVER, attributes });
  const system = { "db.system.name": "postgresql", "db.query.summary": "UPDATE products" };
  const statement = startSpan("UPDATE products", {
    parent: request.traceparent,
    kind: SpanKind.CLIENT,
    attributes: system,
  });
  statement.end();
  request.setAttributes({ "http.response.status_code": 200 });
  request.end();
  return { request: request.traceparent, statement: statement.traceparent };
}

async function writes(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    write();
    if (i % 100 === 99) await Bun.sleep(1);
  }
}

const listenWithoutResponse = () => Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });

for (const [what, portOf] of [
  ["that is not running", async () => ({ port: await freePort(), [Symbol.dispose]() {} })],
  ["that accepts connections and never responds", async () => listenWithoutResponse()],
] as const)
  test(`with a collector ${what} spans are not encoded repeatedly, and few are retained`, async () => {
    using collector = await portOf();
    const { logged, waiting, dropped, flush } = traceTo(`http://127.0.0.1:${collector.port}`);
    await writes(2_000);
    await logged("spans cannot be sent");
    await eventually(async () => (await waiting()) <= RETAINED, {
      timeoutMs: 20_000,
      what: "the other spans to be dropped",
    });
    const before = encodedSpans();
    await writes(10_000);
    expect(await waiting()).toBe(RETAINED);
    expect(await dropped()).toBe(2 * 12_000 - RETAINED);
    // Only the retained spans, at each retry.
    expect((encodedSpans() - before) % RETAINED).toBe(0);
    expect(encodedSpans() - before).toBeLessThanOrEqual(5 * RETAINED);
    const begun = performance.now();
    await flush();
    expect(performance.now() - begun).toBeLessThan(BATCH_TIMEOUT_MS);
  }, 60_000);

test("while spans are not accepted, context is propagated unchanged, new traces are still flagged, and spans flow again later", async () => {
  const port = await freePort();
  const { logged, lines, dropped } = traceTo(`http://127.0.0.1:${port}`);
  await writes(RETAINED);
  await logged("spans cannot be sent");
  for (const flags of ["00", "01", "03"]) {
    const parent = `00-${"1".repeat(32)}-${"2".repeat(16)}-${flags}`;
    // A later hop that records spans attaches to the last recorded span.
    expect(write(parent)).toEqual({ request: parent, statement: parent });
  }
  const { request, statement } = write();
  expect(request).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(statement).toBe(request);

  using receiver = new OtlpReceiver(port);
  const resumed = await logged("spans are sent again");
  expect(resumed.dropped).toBe(await dropped());
  const span = startSpan("after", {});
  span.end();
  await receiver.untilSpan(({ name }) => name === "after", 20_000);
  expect(receiver.spans.length).toBe(RETAINED + 1);
  expect(lines).toHaveLength(2);
}, 60_000);

test("spans cost less CPU with an unavailable collector than with an available one", async () => {
  const collector = Bun.spawn(
    [
      process.execPath,
      "-e",
      "console.log(Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() }).port)",
    ],
    { stdout: "pipe" },
  );
  try {
    const cpuOf = async (work: () => Promise<void>) => {
      const before = process.cpuUsage();
      await work();
      const { user, system } = process.cpuUsage(before);
      return user + system;
    };
    using silent = listenWithoutResponse();
    const unavailable = traceTo(`http://127.0.0.1:${silent.port}`);
    await writes(RETAINED);
    await unavailable.logged("spans cannot be sent");
    const unsent = await cpuOf(() => writes(10_000));

    const { value } = await collector.stdout.getReader().read();
    // A long timeout, because on a slow machine no span may be dropped here.
    const available = traceTo(`http://127.0.0.1:${Number(new TextDecoder().decode(value))}`, 30_000);
    const sent = await cpuOf(async () => {
      for (let part = 0; part < 10; part++) {
        await writes(1_000);
        await available.flush();
      }
    });
    expect(await available.dropped()).toBe(0);
    expect(unsent).toBeLessThan(sent / 2);
  } finally {
    collector.kill();
  }
}, 60_000);
