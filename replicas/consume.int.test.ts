import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import {
  type DeadLetter,
  decodeDeadLetterOrMark,
  type encodeDeadLetter,
  originalRecord,
} from "../contracts/dead-letter.ts";
import { header } from "../contracts/event.ts";
import type { Receipt } from "../contracts/receipt.ts";
import { encodeRouted, NewerSchemaVersionError, routedHeaders } from "../contracts/routed-event.ts";
import type { Batch, StoredRecord } from "../kafka/log.ts";
import { createMetrics, type Metrics } from "../observability/metrics.ts";
import { newTraceparent, SpanKind, setRecorder, traceIdOf } from "../observability/trace.ts";
import { ConsumerLags } from "../pipeline/consumer-lags.ts";
import { type CacheProcess, startCacheProcess } from "../tests/harness/cache-process.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { redisUrl } from "../tests/harness/parts.ts";
import { recordHere } from "../tests/harness/recorded-spans.ts";
import {
  document,
  entity,
  newId,
  type ReplicaDatabase,
  replicaDatabase,
  replicaOf,
  silent,
} from "../tests/harness/replica.ts";
import { EntityConsumer, type EntityConsumerDeps } from "./consume.ts";
import { Lag } from "./lag.ts";

let database: ReplicaDatabase;
let process: CacheProcess;
let metrics: Metrics;
let follower: EntityConsumer;
let told: Receipt[] = [];
let sent: ReturnType<typeof read>[] = [];
let logIsAway = false;
const lag = new Lag(() => 0);

beforeAll(async () => {
  database = await replicaDatabase("catalog");
  process = await startCacheProcess(database.url, await redisUrl(), `follow-${newId()}`);
  await eventually(() => process.replica.epoch.lease()?.runId, { timeoutMs: 10_000, what: "the cache to be on" });
}, 60_000);
afterAll(async () => {
  await process[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});
beforeEach(() => {
  metrics = createMetrics("test", "1");
  const { applier } = process;
  told = [];
  sent = [];
  const receipts = { add: (receipt: Receipt) => void told.push(receipt) };
  const letters: EntityConsumerDeps["letters"] = {
    async send(_, partition, records) {
      if (logIsAway) throw new Error("the log is away");
      expect(partition).toBe(3);
      sent.push(...records.map((letter) => read(letter)));
    },
  };
  const parts = {
    applier,
    lag,
    receipts,
    lags: new ConsumerLags(metrics.consumerLag, "lockstep.replica.catalog"),
    letters,
    logger: silent,
    metrics,
  };
  follower = new EntityConsumer(parts, entity, replicaOf("catalog"));
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
  rawHeaders: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
});

/** A letter as a reader of the topic finds it. */
function read({ key, value, headers }: ReturnType<typeof encodeDeadLetter>): DeadLetter & { original: unknown } {
  const texts = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, text.toString()]));
  const raw = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]));
  const found = decodeDeadLetterOrMark({ key, headers: texts, timestampMs: 0 });
  if (!found || !("deadLetter" in found)) throw new Error("no letter");
  return { ...found.deadLetter, original: originalRecord({ key, value, rawHeaders: raw }) };
}

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
    // Lists go to the database whole: what is none of their type must not come that far.
    ...["x", "1,2", "9223372036854775808"].map((digest) =>
      stored(key!.toString(), value!.toString(), { ...(headers as Record<string, string>), [header.digest]: digest }),
    ),
  ];
  await follower.process(batch(...garbage, record(id, 1)));
  expect((await versionOf(id))?.version).toBe(1);
  expect(await outcomes()).toEqual({ invalid: 7, applied: 1 });
  expect(sent.map(({ reason }) => reason)).toEqual(Array(7).fill("unreadable"));
});

/** An event whose stock is no number. */
function unappliable(version = 1, id = newId()): StoredRecord {
  const headers = record(id, version).headers as Record<string, string>;
  return stored(id, JSON.stringify({ ...document(id, version), stock: "many" }), headers);
}

test("P6: partitions that arrive together are applied together, and one bad row holds up nobody", async () => {
  const ids = Array.from({ length: 12 }, newId);
  const bad = unappliable(4);
  await Promise.all(ids.map((id, i) => follower.process(batch(record(id, 1), ...(i === 7 ? [bad] : [])))));
  const there = await Promise.all(ids.map(versionOf));
  expect(there.map((entry) => entry?.version)).toEqual(ids.map(() => 1));
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatchObject({
    origin: { topic: bad.topic, partition: 3, offset: bad.offset },
    reason: "unappliable",
    replica: "catalog",
    id: bad.key!.toString(),
    version: 4,
    original: { key: bad.key, value: bad.value, headers: bad.rawHeaders },
  });
  expect(sent[0]!.detail).toStartWith("SQLSTATE 22P02: invalid input syntax for type integer");
  expect(`${sent[0]!.detail}${sent[0]!.stack}`).not.toContain("many");
  expect(await outcomes()).toEqual({ applied: 12, unappliable: 1 });
  expect(told.flatMap(({ changes }) => changes.map(([id]) => id))).not.toContain(bad.key!.toString());
});

test("P6 P7: what PostgreSQL refused is not there, the version before it is served, also from the cache, and a later one heals it", async () => {
  const id = newId();
  await follower.process(batch(record(id, 1)));
  expect((await process.lookup.find(id)).how.result).toBe("hit");
  await follower.process(batch(unappliable(2, id), record(newId(), 1)));
  const reads = [await process.lookup.find(id), await process.lookup.find(id)];
  expect(reads.map(({ how, entry }) => [how.result, entry?.version])).toEqual([
    ["miss", 1],
    ["hit", 1],
  ]);
  await follower.process(batch(record(id, 3)));
  const healed = await process.lookup.find(id);
  expect([healed.how.result, healed.entry?.version]).toEqual(["hit", 3]);
});

test("P6: when the newest event of an entity is refused, the one before it in the same batch is applied", async () => {
  const id = newId();
  await follower.process(batch(record(id, 1), record(id, 2), unappliable(3, id), unappliable(4, id)));
  expect((await versionOf(id))?.version).toBe(2);
  expect(sent.map(({ version }) => version).toSorted()).toEqual([3, 4]);
  expect(await outcomes()).toEqual({ applied: 2, unappliable: 2 });
});

test("a batch is not done before its dead letters are stored; when it comes again they are told once more", async () => {
  const [bad, good] = [unappliable(), record(newId(), 1)];
  logIsAway = true;
  await expect(follower.process(batch(bad, good))).rejects.toThrow("away");
  logIsAway = false;
  expect((await versionOf(good.key!.toString()))?.version).toBe(1);
  await follower.process(batch(bad, good));
  expect(sent.map(({ id }) => id)).toEqual([bad.key!.toString()]);
});

test("P6: every tenth of 2,000 rows refused: all others are applied, all of these told in order", async () => {
  const records = Array.from({ length: 2_000 }, (_, i) => (i % 10 === 0 ? unappliable() : record(newId(), 1)));
  await follower.process(batch(...records));
  expect(sent.map(({ origin }) => origin.offset)).toEqual(
    records.filter((_, i) => i % 10 === 0).map(({ offset }) => offset),
  );
  expect(await outcomes()).toEqual({ applied: 1_800, unappliable: 200 });
});

test("a table that takes nothing is no event's fault: it pauses the flow and says so, until it is mended", async () => {
  await follower.process(batch(record(newId(), 1)));
  const { sql } = database;
  const events = Array.from({ length: 60 }, () => record(newId(), 1));
  try {
    await sql`alter table products add column required text default 'x' not null`;
    await sql`alter table products alter column required drop default`;
    await sql`select lockstep.replicate('products', 'product')`;
    await expect(follower.process(batch(...events))).rejects.toThrow("takes no row");
    expect(follower.tableProblem).toContain("required");
    await sql`alter table products rename to elsewhere`;
    await expect(follower.process(batch(...events))).rejects.toThrow("takes no row");
    await sql`alter table elsewhere rename to products`;
    expect(sent).toEqual([]);
  } finally {
    await sql`alter table products drop column required`;
    await sql`select lockstep.replicate('products', 'product')`;
  }
  await follower.process(batch(...events));
  expect(follower.tableProblem).toBeUndefined();
  expect(await outcomes()).toEqual({ applied: 61 });
});

test("many bad events in a row are told one by one while the table takes others", async () => {
  await follower.process(batch(record(newId(), 1)));
  await follower.process(batch(...Array.from({ length: 45 }, () => unappliable())));
  expect(sent).toHaveLength(45);
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

test("each write has a span in its own trace, with the write to the cache under it; one of many rows has one for all", async () => {
  const kept = recordHere();
  try {
    const parents = [newTraceparent(), newTraceparent()].map((traceparent) => traceparent.replace(/00$/, "01"));
    const many = newTraceparent().replace(/00$/, "01");
    const id = newId();
    await follower.process(
      batch(
        ...parents.map((traceparent, i) => record(id, i + 1, { traceparent })),
        ...Array.from({ length: 5 }, () => record(newId(), 1, { traceparent: many })),
      ),
    );
    for (const parent of [...parents, many]) {
      const own = kept.filter(({ context }) => context.traceId === traceIdOf(parent));
      expect(own).toHaveLength(2);
      const apply = own.find(({ name }) => name === "apply products.to.catalog")!;
      const cache = own.find(({ name }) => name === "cache products")!;
      expect(apply.parent?.spanId).toBe(parent.split("-")[2]!);
      expect(apply.kind).toBe(SpanKind.CONSUMER);
      expect(apply.attributes).toMatchObject({
        "lockstep.replica": "catalog",
        ...(parent === many ? { "messaging.batch.message_count": 5 } : { "lockstep.outcome": "applied" }),
      });
      expect(cache.parent?.spanId).toBe(apply.context.spanId);
    }
    const traceIds = [...parents, many].map(traceIdOf).join("|");
    expect(await metrics.text("openmetrics")).toMatch(new RegExp(`# \\{trace_id="(${traceIds})"\\} \\d`));
  } finally {
    setRecorder(undefined);
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
