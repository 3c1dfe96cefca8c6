/** One trace id follows a write through every hop, over HTTP or by SQL: read from a real Jaeger by its query API. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import postgres, { type Sql } from "postgres";
import { CANARY_ID } from "../contracts/canary.ts";
import { metric, request, untilVisible } from "./harness/client.ts";
import { eventually } from "./harness/eventually.ts";
import { TestJaeger, type TracedSpan } from "./harness/jaeger.ts";
import { newProduct } from "./harness/load.ts";
import { runLockstep } from "./harness/run-lockstep.ts";
import { Stack } from "./harness/stack.ts";

const REPLICAS = ["catalog", "storefront"];
const ROWS = 500;

let jaeger: TestJaeger;
let stack: Stack;
let gateway: string;
let sql: Sql;

beforeAll(async () => {
  jaeger = await TestJaeger.start();
  // One hour. On a busy machine a write can take a second. The services would then keep its trace as a slow one,
  // although the client does not sample it.
  stack = await Stack.start({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: jaeger.endpoint,
      LOCKSTEP_TRACE_SLOW_MS: "3600000",
      LOCKSTEP_CANARY_EVERY_S: "1",
    },
  });
  gateway = await stack.url("gateway");
  sql = postgres(await stack.url("gateway-db"), { max: 1, onnotice: () => {} });
}, 600_000);

afterAll(async () => {
  await sql?.end();
  await stack?.[Symbol.asyncDispose]();
  await jaeger?.[Symbol.asyncDispose]();
});

/** Each span with its parent, sorted, so that the order does not depend on timing. */
const edges = (spans: readonly TracedSpan[]): string[] => {
  const label = (span: TracedSpan | undefined) => (span ? `${span.service}: ${span.name} (${span.kind})` : "outside");
  return spans.map((span) => `${label(spans.find((s) => s.spanId === span.parentSpanId))} → ${label(span)}`).sort();
};

const edgesFromRelay = (parent: string) => [
  `${parent} → lockstep-relay: publish products.events (producer)`,
  "lockstep-relay: publish products.events (producer) → lockstep-stream: route products.events (consumer)",
  ...REPLICAS.flatMap((replica) => [
    `lockstep-stream: route products.events (consumer) → lockstep-replica-${replica}: apply products.to.${replica} (consumer)`,
    `lockstep-replica-${replica}: apply products.to.${replica} (consumer) → lockstep-replica-${replica}: cache products (client)`,
  ]),
];

const edgesOfWrite = (http: string, statement: string): string[] =>
  [
    `outside → lockstep-gateway: ${http} (server)`,
    `lockstep-gateway: ${http} (server) → lockstep-gateway: ${statement} (client)`,
    ...edgesFromRelay(`lockstep-gateway: ${statement} (client)`),
  ].sort();

const isComplete = (expected: readonly string[]) => (spans: readonly TracedSpan[]) => spans.length >= expected.length;

/** The trace id that `lockstep journey` prints once the log has this version of the entity. */
const traceIdOf = (id: string, version: number): Promise<string> =>
  eventually(
    async () => {
      const { document } = await runLockstep(stack, "journey", id, "--json");
      const [journey] = document!.journeys as { traceId: string | null; event: { version: number } | null }[];
      return journey?.event?.version === version && journey.traceId;
    },
    { timeoutMs: 20_000, what: `journey to print the trace of version ${version}` },
  );

const traceOf = (): { traceId: string; clientSpan: string; header: (flags: string) => { traceparent: string } } => {
  const traceId = randomBytes(16).toString("hex");
  const clientSpan = randomBytes(8).toString("hex");
  return { traceId, clientSpan, header: (flags) => ({ traceparent: `00-${traceId}-${clientSpan}-${flags}` }) };
};

/** Total number of messages in these spans. */
const messages = (spans: readonly TracedSpan[]): number =>
  spans.reduce((sum, { attributes }) => sum + Number(attributes["messaging.batch.message_count"] ?? 1), 0);

describe("one write is one trace", () => {
  test("a write over HTTP continues the client's span through every hop to each replica's cache", async () => {
    const { traceId, clientSpan, header } = traceOf();
    const { body } = await request("POST", `${gateway}/products`, newProduct({ status: "active" }), header("01"));
    const expected = edgesOfWrite("POST /products", "INSERT products");
    const spans = await jaeger.untilTrace(traceId, isComplete(expected));
    expect(edges(spans)).toEqual(expected);
    expect(spans.find(({ kind }) => kind === "server")?.parentSpanId).toBe(clientSpan);
    expect(spans.every((span) => !span.failed && span.end >= span.start)).toBe(true);

    // Spans of a duplicate step would have arrived before those of the entity's next write.
    await request("PATCH", `${gateway}/products/${body.id}`, { stock: 5 });
    const second = edgesOfWrite("PATCH /products/:id", "UPDATE products");
    const next = await traceIdOf(String(body.id), 2);
    expect(edges(await jaeger.untilTrace(next, isComplete(second)))).toEqual(second);
    expect(next).not.toBe(traceId);
    expect(edges(await jaeger.trace(traceId))).toEqual(expected);
  }, 120_000);

  test("a change by plain SQL starts a trace at the relay, and journey prints its id", async () => {
    const { body } = await request("POST", `${gateway}/products`, newProduct({ status: "active" }));
    await sql`update products set stock = stock + 1 where id = ${String(body.id)}`;
    const expected = edgesFromRelay("outside").sort();
    const spans = await jaeger.untilTrace(await traceIdOf(String(body.id), 2), isComplete(expected));
    expect(edges(spans)).toEqual(expected);
  }, 120_000);

  test(`${ROWS} rows of one transaction form one complete trace of at most 60 spans`, async () => {
    const rows = await sql<{ id: string }[]>`
      insert into products (sku, name, price, status)
      select 'batch-' || gen_random_uuid(), 'Cup', 1, 'active' from generate_series(1, ${ROWS}) returning id`;
    const traceId = await traceIdOf(rows[0]!.id, 1);
    expect(await traceIdOf(rows.at(-1)!.id, 1)).toBe(traceId);
    const named = (spans: readonly TracedSpan[], name: string) => spans.filter((span) => span.name === name);
    const applied = (spans: readonly TracedSpan[]) => REPLICAS.map((name) => named(spans, `apply products.to.${name}`));
    const hops = (spans: readonly TracedSpan[]) => [
      named(spans, "publish products.events"),
      named(spans, "route products.events"),
      ...applied(spans),
    ];
    // Each service exports on its own schedule, so the spans of the first hop can arrive last.
    const spans = await jaeger.untilTrace(traceId, (all) => hops(all).every((of) => messages(of) >= ROWS));
    expect(spans.length).toBeLessThanOrEqual(60);

    const published = named(spans, "publish products.events");
    const routed = named(spans, "route products.events");
    for (const hop of hops(spans)) expect(messages(hop)).toBe(ROWS);
    const services = (of: readonly TracedSpan[]) => [...new Set(of.map(({ service }) => service))];
    expect(hops(spans).map(services)).toEqual([
      ["lockstep-relay"],
      ["lockstep-stream"],
      ["lockstep-replica-catalog"],
      ["lockstep-replica-storefront"],
    ]);
    // Each hop refers to the previous one by parent or by link, so every event of the batch is connected.
    const from = (of: readonly TracedSpan[]) =>
      new Set(of.flatMap(({ parentSpanId, links }) => [parentSpanId ?? "none", ...links.map(({ spanId }) => spanId)]));
    const ids = (of: readonly TracedSpan[]) => new Set(of.map(({ spanId }) => spanId));
    const roots = published.filter(({ parentSpanId }) => parentSpanId === undefined);
    expect(roots).toHaveLength(1);
    expect(from(routed).isSubsetOf(ids(published))).toBe(true);
    for (const replica of applied(spans)) expect(from(replica)).toEqual(ids(routed));
    expect(ids(applied(spans).flat())).toEqual(from(named(spans, "cache products")));
  }, 120_000);

  test("every hop respects a client that does not sample its trace, and replicates its write", async () => {
    const { traceId, header } = traceOf();
    const { body } = await request("POST", `${gateway}/products`, newProduct({ status: "active" }), header("00"));
    await untilVisible(await stack.url("catalog"), String(body.id), 1);
    const later = traceOf();
    await request("PATCH", `${gateway}/products/${body.id}`, { stock: 5 }, later.header("01"));
    await jaeger.untilTrace(later.traceId, (spans) => spans.length >= 8);
    expect(await jaeger.trace(traceId)).toEqual([]);
    expect(await traceIdOf(String(body.id), 2)).toBe(later.traceId);
  }, 120_000);

  test("an exemplar of a replica's latency refers to a trace that Jaeger has", async () => {
    const url = await stack.url("catalog");
    const traceId = await eventually(
      async () => {
        const accept = "application/openmetrics-text; version=1.0.0";
        const text = await (await fetch(`${url}/metrics`, { headers: { accept } })).text();
        return /lockstep_sync_latency_seconds_bucket\{.*# \{trace_id="([0-9a-f]{32})"\}/.exec(text)?.[1];
      },
      { timeoutMs: 20_000, what: "an exemplar" },
    );
    const spans = await jaeger.untilTrace(traceId, (all) => all.length > 0);
    expect(spans.map(({ name }) => name)).toContain("apply products.to.catalog");
  }, 60_000);
});

test("the canary measures the latency of an idle system, and no API or command shows it", async () => {
  const urls = await Promise.all(["gateway", ...REPLICAS].map((name) => stack.url(name)));
  for (const [i, replica] of REPLICAS.entries())
    for (const store of ["postgres", "redis"]) {
      const seen = () => metric(urls[i + 1]!, "lockstep_canary_timestamp_seconds", { replica, store });
      const first = await eventually(seen, { timeoutMs: 20_000, what: `a canary in ${replica}'s ${store}` });
      expect(Math.abs(Date.now() / 1_000 - first)).toBeLessThan(60);
      await eventually(async () => (await seen()) > first, { timeoutMs: 20_000, what: "the next canary" });
      expect(await metric(urls[i + 1]!, "lockstep_canary_latency_seconds_count", { replica, store })).toBeGreaterThan(
        1,
      );
    }
  for (const url of urls) {
    expect((await request("GET", `${url}/canaries`)).status).toBe(404);
    expect((await request("GET", `${url}/canaries/${CANARY_ID}`)).status).toBe(404);
    expect((await request("GET", `${url}/products/${CANARY_ID}`)).status).toBe(404);
  }
  for (const command of [["status"], ["verify"], ["journey", CANARY_ID]]) {
    const { stdout, document } = await runLockstep(stack, ...command, "--json");
    expect(document).toBeDefined();
    expect(stdout).not.toContain("canar");
  }
}, 120_000);

test("writes continue while Jaeger is down, the log warns once, and spans arrive again after a restart", async () => {
  const log = (service: string) => readFileSync(join(stack.data, "logs", `${service}.log`), "utf8");
  const write = () => request("POST", `${gateway}/products`, newProduct({ status: "active" }), { prefer: "wait=10" });
  await jaeger.kill();
  for (let i = 0; i < 50; i++) {
    const { status, headers } = await write();
    expect([status, headers.get("lockstep-replicas")]).toEqual([201, expect.not.stringContaining("behind")]);
  }
  await eventually(() => log("gateway").includes("spans cannot be sent"), { timeoutMs: 20_000, what: "a warning" });
  expect((await stack.status()).ready).toBe(true);
  await jaeger.restart();
  await eventually(
    async () => {
      const { traceId, header } = traceOf();
      await request("POST", `${gateway}/products`, newProduct({ status: "active" }), header("01"));
      return jaeger.untilTrace(traceId, (spans) => spans.length >= 8, 3_000);
    },
    { timeoutMs: 60_000, what: "a complete trace to arrive again" },
  );
  const gatewayLog = log("gateway");
  // The first warning, and one more per minute on a slow machine.
  expect(gatewayLog.split('"msg":"spans cannot be sent').length).toBeLessThanOrEqual(4);
  expect(gatewayLog).toContain('"msg":"spans are sent again"');
}, 180_000);
