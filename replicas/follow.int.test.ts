import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { encodeRouted, header, NewerSchemaVersionError, routedHeaders } from "../contracts/event.ts";
import type { Receipt } from "../contracts/receipt.ts";
import { createMetrics, type Metrics } from "../observability/metrics.ts";
import { newTraceparent, recordSpans, SpanKind, traceIdOf } from "../observability/trace.ts";
import type { Batch, StoredRecord } from "../platform/log/log.ts";
import { type CacheProcess, startCacheProcess } from "../tests/harness/cache-process.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { redisUrl } from "../tests/harness/parts.ts";
import {
  document,
  entity,
  newId,
  type ReplicaDatabase,
  replicaDatabase,
  replicaOf,
  silent,
} from "../tests/harness/replica.ts";
import { EntityFollower } from "./follow.ts";
import { Lag } from "./lag.ts";

let database: ReplicaDatabase;
let process: CacheProcess;
let metrics: Metrics;
let follower: EntityFollower;
let told: Receipt[] = [];
const lag = new Lag(() => 0);

beforeAll(async () => {
  database = await replicaDatabase("catalog");
  process = await startCacheProcess(database.url, await redisUrl(), `follow-${newId()}`);
  await eventually(() => process.replica.epoch.lease()?.runId, { withinMs: 10_000, what: "the cache to be on" });
}, 60_000);
afterAll(async () => {
  await process[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});
beforeEach(() => {
  metrics = createMetrics("test", "1");
  const { applier } = process;
  told = [];
  const receipts = { add: (receipt: Receipt) => void told.push(receipt) };
  follower = new EntityFollower({ applier, lag, receipts, logger: silent, metrics }, entity, replicaOf("catalog"));
});

let offset = 0;
function record(id: string, version: number, how: { deletes?: boolean; traceparent?: string } = {}): StoredRecord {
  const event = {
    entity: entity.name,
    id,
    version,
    operation: how.deletes ? ("deleted" as const) : ("upserted" as const),
    time: new Date(Date.now() - 5).toISOString(),
    schemaVersion: 1,
    document: null,
  };
  const { key, value, headers } = encodeRouted(
    event,
    how.deletes ? null : document(id, version),
    routedHeaders(event, 0, how.traceparent),
  );
  return stored(key, value, headers);
}
const stored = (key: string | null, value: string | null, headers: Record<string, string> = {}): StoredRecord => ({
  topic: "products.to.catalog",
  partition: 3,
  offset: offset++,
  timestampMs: Date.now(),
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
  headers,
  rawHeaders: {},
});
const batch = (...records: StoredRecord[]): Batch => ({
  topic: "products.to.catalog",
  partition: 3,
  records,
  highWatermark: offset,
});

const outcomes = async (): Promise<Record<string, number>> =>
  Object.fromEntries((await metrics.replicaApplied.get()).values.map(({ labels, value }) => [labels.outcome, value]));
const versionOf = async (id: string) => (await process.lookup.find(id)).entry;

test("a batch is applied and readable from the cache when it is done", async () => {
  const [a, b] = [newId(), newId()];
  await follower.process(batch(record(a, 1), record(b, 1), record(a, 2), record(b, 2, { deletes: true })));
  const found = await process.lookup.find(a);
  expect([found.how.result, found.entry?.version]).toEqual(["hit", 2]);
  expect(await versionOf(b)).toEqual({ version: 2, body: null });
  expect(await outcomes()).toEqual({ applied: 4 });
});

test("what was applied is told: each entity with the version that is there, and when", async () => {
  const [a, b] = [newId(), newId()];
  await follower.process(batch(record(a, 1), record(a, 3), record(b, 2)));
  await follower.process(batch(record(a, 2)));
  const [first, second] = told;
  expect(first).toMatchObject({ replica: "catalog", entity: "product" });
  expect(first!.changes.map(([id, version]) => [id, version]).toSorted()).toEqual(
    [
      [a, 3],
      [b, 2],
    ].toSorted(),
  );
  expect(first!.cachedMs).toBeGreaterThanOrEqual(first!.appliedMs);
  for (const [, , committedMs] of first!.changes) expect(first!.appliedMs - committedMs).toBeGreaterThanOrEqual(5);
  expect(second!.changes.map(([id, version]) => [id, version])).toEqual([[a, 3]]);
});

test("P2: a batch that comes again has no effect, and is counted as what it is", async () => {
  const id = newId();
  const records = [record(id, 1), record(id, 2)];
  await follower.process(batch(...records));
  const before = await database.sql`select xmin, * from products where id = ${id}`;
  await follower.process(batch(...records));
  await follower.process(batch(record(id, 1)));
  expect([...(await database.sql`select xmin, * from products where id = ${id}`)]).toEqual([...before]);
  expect(await outcomes()).toEqual({ applied: 2, stale: 2, duplicate: 1 });
});

test("what is no event is counted, and blocks nobody", async () => {
  const id = newId();
  const { key, value, headers } = record(id, 1);
  const garbage = [
    stored(null, "{}", headers as Record<string, string>),
    stored(key!.toString(), "{", headers as Record<string, string>),
    stored(key!.toString(), "{}"),
    stored("not-an-id", value!.toString(), headers as Record<string, string>),
  ];
  await follower.process(batch(...garbage, record(id, 1)));
  expect((await versionOf(id))?.version).toBe(1);
  expect(await outcomes()).toEqual({ invalid: 4, applied: 1 });
});

test("partitions that arrive together are applied together, and one bad row holds up its own batch only", async () => {
  const ids = Array.from({ length: 12 }, newId);
  const bad = stored(
    newId(),
    JSON.stringify({ ...document(newId(), 1), stock: "many" }),
    record(newId(), 1).headers as Record<string, string>,
  );
  const results = await Promise.allSettled(
    ids.map((id, i) => follower.process(batch(record(id, 1), ...(i === 7 ? [bad] : [])))),
  );
  expect(results.map(({ status }) => status)).toEqual(ids.map((_, i) => (i === 7 ? "rejected" : "fulfilled")));
  const there = await Promise.all(ids.map(versionOf));
  expect(there.map((entry) => entry?.version)).toEqual(ids.map((_, i) => (i === 7 ? undefined : 1)));
});

test("more events than a statement takes are applied in several", async () => {
  const ids = Array.from({ length: 4_500 }, newId);
  await follower.process(batch(...ids.map((id) => record(id, 1))));
  const [row] = await database.sql`select count(*)::int as n from products where id = any (${ids})`;
  expect(row!.n).toBe(4_500);
  expect(await outcomes()).toEqual({ applied: 4_500 });
});

test("latencies to both stores, lag in records and milliseconds are told", async () => {
  await follower.process({ ...batch(record(newId(), 1)), highWatermark: offset + 4 });
  const text = await metrics.text();
  for (const store of ["postgres", "redis"])
    expect(text).toMatch(new RegExp(`lockstep_sync_latency_seconds_count\\{.*store="${store}".*\\} 1\n`));
  expect(text).toMatch(/lockstep_consumer_lag\{group="lockstep.replica.catalog",partition="3",.*\} 4\n/);
  expect(lag.ms(Date.now())).toBeGreaterThanOrEqual(0);
});

test("each event has a span in its own trace, with the write to the cache under it", async () => {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  recordSpans(provider.getTracer("test"));
  try {
    const parents = [newTraceparent(), newTraceparent()].map((traceparent) => traceparent.replace(/00$/, "01"));
    const id = newId();
    await follower.process(batch(...parents.map((traceparent, i) => record(id, i + 1, { traceparent }))));
    const spans = exporter.getFinishedSpans();
    for (const parent of parents) {
      const own = spans.filter((span) => span.spanContext().traceId === traceIdOf(parent));
      const apply = own.find(({ name }) => name === "apply products.to.catalog")!;
      const cache = own.find(({ name }) => name === "cache products")!;
      expect(apply.parentSpanContext?.spanId).toBe(parent.split("-")[2]);
      expect(apply.kind).toBe(SpanKind.CONSUMER);
      expect(apply.attributes).toMatchObject({ "lockstep.replica": "catalog", "lockstep.outcome": "applied" });
      expect(cache.parentSpanContext?.spanId).toBe(apply.spanContext().spanId);
    }
  } finally {
    recordSpans(undefined);
  }
});

test("a document of a newer schema version than it knows makes a replica wait: the batch fails whole, and comes again", async () => {
  const [a, b] = [newId(), newId()];
  const newer = record(b, 1);
  const records = [record(a, 1), { ...newer, headers: { ...newer.headers, [header.schemaVersion]: "99" } }];
  await expect(follower.process(batch(...records))).rejects.toThrow(NewerSchemaVersionError);
  expect(await versionOf(a)).toBeUndefined();
  await follower.process(batch(records[0]!, newer));
  expect(await versionOf(b)).toMatchObject({ version: 1 });
});
