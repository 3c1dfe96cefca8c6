/** A collector that is away, or hangs, costs a service nothing: no work, no memory, no context that is lost on the way. */
import { afterEach, beforeEach, expect, type Mock, spyOn, test } from "bun:test";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import pino from "pino";
import { eventually } from "../tests/harness/eventually.ts";
import { OtlpReceiver } from "../tests/harness/otlp-receiver.ts";
import { freePort } from "../tests/harness/parts.ts";
import { exportSpans } from "./export-spans.ts";
import type { Logger } from "./logger.ts";
import { createMetrics } from "./metrics.ts";
import { SpanKind, setRecorder, startSpan } from "./trace.ts";

/** As long as one batch is tried: shorter than in service, where nothing but the first seconds would be different. */
const TRY_FOR_MS = 500;
const KEPT = 64;

let sending: Mock<OTLPTraceExporter["export"]>;
beforeEach(() => {
  sending = spyOn(OTLPTraceExporter.prototype, "export");
});
afterEach(() => {
  sending.mockRestore();
  setRecorder(undefined);
});

const encoded = () => sending.mock.calls.reduce((sum, [spans]) => sum + spans.length, 0);

function traceTo(url: string, tryForMs = TRY_FOR_MS) {
  const lines: { msg: string; dropped?: number }[] = [];
  const logger = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line)) }) as Logger;
  const metrics = createMetrics("gateway", "1");
  const settings = { resource: { "service.name": "lockstep-gateway" }, ratio: 1, slowMs: 60_000 };
  const { recorder, flush } = exportSpans({ logger, metrics }, { url, headers: {} }, settings, tryForMs);
  setRecorder(recorder);
  const value = async (of: RegExp) => Number(of.exec(await metrics.text())?.[1] ?? 0);
  return {
    lines,
    flush,
    waiting: () => value(/lockstep_buffer_items\{buffer="spans".*\} (\d+)/),
    dropped: () => value(/lockstep_spans_total\{outcome="dropped".*\} (\d+)/),
    told: (begin: string) =>
      eventually(() => lines.find(({ msg }) => msg.startsWith(begin)), { timeoutMs: 20_000, what: `"${begin}"` }),
  };
}

/** What the gateway makes of a write. */
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

const deaf = () => Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });

for (const [what, portOf] of [
  ["that is not there", async () => ({ port: await freePort(), [Symbol.dispose]() {} })],
  ["that takes connections and never answers", async () => deaf()],
] as const)
  test(`for a collector ${what} nothing is encoded again and again, and hardly anything kept`, async () => {
    using collector = await portOf();
    const { told, waiting, dropped, flush } = traceTo(`http://127.0.0.1:${collector.port}`);
    await writes(2_000);
    await told("spans cannot be sent");
    await eventually(async () => (await waiting()) <= KEPT, { timeoutMs: 20_000, what: "the rest to be let go" });
    const before = encoded();
    await writes(10_000);
    expect(await waiting()).toBe(KEPT);
    expect(await dropped()).toBe(2 * 12_000 - KEPT);
    // Nothing but the few that are kept, each time that they are tried.
    expect((encoded() - before) % KEPT).toBe(0);
    expect(encoded() - before).toBeLessThanOrEqual(5 * KEPT);
    const begun = performance.now();
    await flush();
    expect(performance.now() - begun).toBeLessThan(TRY_FOR_MS);
  }, 60_000);

test("while nobody takes spans context goes on as it came, a trace that begins is flagged as before, and both flow again", async () => {
  const port = await freePort();
  const { told, lines, dropped } = traceTo(`http://127.0.0.1:${port}`);
  await writes(KEPT);
  await told("spans cannot be sent");
  for (const flags of ["00", "01", "03"]) {
    const parent = `00-${"1".repeat(32)}-${"2".repeat(16)}-${flags}`;
    // Whoever records goes on below the last span that was: no hole is left.
    expect(write(parent)).toEqual({ request: parent, statement: parent });
  }
  const { request, statement } = write();
  expect(request).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(statement).toBe(request);

  using receiver = new OtlpReceiver(port);
  const again = await told("spans are sent again");
  expect(again.dropped).toBe(await dropped());
  const span = startSpan("after", {});
  span.end();
  await receiver.untilSpan(({ name }) => name === "after", 20_000);
  expect(receiver.spans.length).toBe(KEPT + 1);
  expect(lines).toHaveLength(2);
}, 60_000);

test("spans for a collector that is away cost less than those for one that is there", async () => {
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
    using nobody = deaf();
    const away = traceTo(`http://127.0.0.1:${nobody.port}`);
    await writes(KEPT);
    await away.told("spans cannot be sent");
    const unsent = await cpuOf(() => writes(10_000));

    const { value } = await collector.stdout.getReader().read();
    // However long this machine takes: here nothing may be dropped.
    const there = traceTo(`http://127.0.0.1:${Number(new TextDecoder().decode(value))}`, 30_000);
    const sent = await cpuOf(async () => {
      for (let part = 0; part < 10; part++) {
        await writes(1_000);
        await there.flush();
      }
    });
    expect(await there.dropped()).toBe(0);
    expect(unsent).toBeLessThan(sent / 2);
  } finally {
    collector.kill();
  }
}, 60_000);
