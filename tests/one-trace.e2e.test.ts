/** A write's way can be told by one trace id, whoever wrote. Spans are received here as a collector would receive them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { request, shows } from "./harness/client.ts";
import { newProduct } from "./harness/load.ts";
import { OtlpReceiver, type ReceivedSpan } from "./harness/otlp-receiver.ts";
import { Stack } from "./harness/stack.ts";

let receiver: OtlpReceiver;
let stack: Stack;
let gateway: string;

beforeAll(async () => {
  receiver = new OtlpReceiver();
  stack = await Stack.start({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint } });
  gateway = await stack.url("gateway");
}, 240_000);

afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  receiver?.[Symbol.dispose]();
});

/** Each span with the one above it, in an order that does not depend on who was faster. */
const edges = (spans: readonly ReceivedSpan[]): string[] => {
  const label = (span: ReceivedSpan | undefined) => (span ? `${span.service}: ${span.name} (${span.kind})` : "outside");
  return spans.map((span) => `${label(spans.find((s) => s.spanId === span.parentSpanId))} → ${label(span)}`).sort();
};

const fromTheRelay = (parent: string) => [
  `${parent} → lockstep-relay: publish products.events (producer)`,
  "lockstep-relay: publish products.events (producer) → lockstep-stream: route products.events (consumer)",
  ...["catalog", "storefront"].flatMap((replica) => [
    `lockstep-stream: route products.events (consumer) → lockstep-replica-${replica}: apply products.to.${replica} (consumer)`,
    `lockstep-replica-${replica}: apply products.to.${replica} (consumer) → lockstep-replica-${replica}: cache products (client)`,
  ]),
];

const ofWrite = (http: string, statement: string): string[] =>
  [
    `outside → lockstep-gateway: ${http} (server)`,
    `lockstep-gateway: ${http} (server) → lockstep-gateway: ${statement} (client)`,
    ...fromTheRelay(`lockstep-gateway: ${statement} (client)`),
  ].sort();

/** Spans of the trace that published this version of an entity, once there are as many as expected. */
async function traceOf(id: string, version: number, count: number): Promise<ReceivedSpan[]> {
  const published = (span: ReceivedSpan) =>
    span.attributes["messaging.kafka.message.key"] === id && span.attributes["lockstep.entity.version"] === version;
  const publish = await receiver.untilSpan(published, 20_000);
  return receiver.untilTrace(publish.traceId, (spans) => spans.length >= count, 20_000);
}

describe("one write is one trace", () => {
  test("over HTTP it goes on from the client's own span, through every hop to each replica's cache", async () => {
    const traceId = randomBytes(16).toString("hex");
    const clientSpan = randomBytes(8).toString("hex");
    const traceparent = `00-${traceId}-${clientSpan}-01`;
    const { body } = await request("POST", `${gateway}/products`, newProduct({ status: "active" }), { traceparent });
    const expected = ofWrite("POST /products", "INSERT products");
    const spans = await receiver.untilTrace(traceId, (all) => all.length >= expected.length, 20_000);
    expect(edges(spans)).toEqual(expected);
    expect(spans.find((span) => span.kind === "server")?.parentSpanId).toBe(clientSpan);
    expect(spans.every((span) => span.status === "unset" && span.end >= span.start)).toBe(true);

    // What a hop did twice would have been sent by the time that the next write of the entity is there.
    await request("PATCH", `${gateway}/products/${body.id}`, { stock: 5 });
    const next = await traceOf(String(body.id), 2, expected.length);
    expect(edges(next)).toEqual(ofWrite("PATCH /products/:id", "UPDATE products"));
    expect(next[0]?.traceId).not.toBe(traceId);
    expect(edges(receiver.trace(traceId))).toEqual(expected);
  }, 60_000);

  test("a change by plain SQL begins a trace at the relay", async () => {
    const { body } = await request("POST", `${gateway}/products`, newProduct({ status: "active" }));
    const sql = postgres(await stack.url("gateway-db"), { max: 1, onnotice: () => {} });
    await sql`update products set stock = stock + 1 where id = ${String(body.id)}`;
    await sql.end();
    expect(edges(await traceOf(String(body.id), 2, 6))).toEqual(fromTheRelay("outside").sort());
  }, 60_000);

  test("a client that does not sample its trace is obeyed at every hop, and the write goes its way", async () => {
    const traceId = randomBytes(16).toString("hex");
    const traceparent = `00-${traceId}-${randomBytes(8).toString("hex")}-00`;
    const { body } = await request("POST", `${gateway}/products`, newProduct({ status: "active" }), { traceparent });
    await shows(await stack.url("catalog"), String(body.id), 1);
    await request("PATCH", `${gateway}/products/${body.id}`, { stock: 5 });
    await traceOf(String(body.id), 2, 8);
    expect(receiver.trace(traceId)).toEqual([]);
  }, 60_000);
});
