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
import { startRecording } from "../tests/harness/recorded-spans.ts";
import {
  document,
  entity,
  newId,
  type ReplicaDatabase,
  replicaDatabase,
  replicaOf,
  silentLogger,
} from "../tests/harness/replica.ts";
import { redisUrl } from "../tests/harness/servers.ts";
import { EntityConsumer, type EntityConsumerDeps } from "./consume.ts";
import { Lag } from "./lag.ts";

let database: ReplicaDatabase;
let process: CacheProcess;
let metrics: Metrics;
let consumer: EntityConsumer;
let consumerWith: (others: Partial<EntityConsumerDeps>) => EntityConsumer;
let sentReceipts: Receipt[] = [];
let deadLetters: ReturnType<typeof decode>[] = [];
let logUnavailable = false;
const lag = new Lag();

beforeAll(async () => {
  database = await replicaDatabase("catalog");
  process = await startCacheProcess(database.url, await redisUrl(), `consume-${newId()}`);
  await eventually(() => process.replica.epoch.lease()?.runId, { timeoutMs: 10_000, what: "the cache to be on" });
}, 60_000);
afterAll(async () => {
  await process[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});
beforeEach(() => {
  metrics = createMetrics("test", "1");
  const { applier, cacheWriter } = process;
  sentReceipts = [];
  deadLetters = [];
  const receipts = { add: (receipt: Receipt) => void sentReceipts.push(receipt) };
  const deadLetterWriter: EntityConsumerDeps["deadLetters"] = {
    async write(_, partition, messages) {
      if (logUnavailable) throw new Error("the log is unavailable");
      expect(partition).toBe(3);
      deadLetters.push(...messages.map(decode));
    },
  };
  const deps = {
    applier,
    cacheWriter,
    lag,
    receipts,
    lags: new ConsumerLags(metrics.consumerLag, "lockstep.replica.catalog"),
    deadLetters: deadLetterWriter,
    logger: silentLogger,
    metrics,
    signal: new AbortController().signal,
  };
  consumerWith = (others) => new EntityConsumer({ ...deps, ...others }, entity, replicaOf("catalog"));
  consumer = consumerWith({});
});

let offset = 0;
function record(id: string, version: number, options: { deletes?: boolean; traceparent?: string } = {}): StoredRecord {
  const event = {
    entity: entity.name,
    id,
    version,
    operation: options.deletes ? ("deleted" as const) : ("upserted" as const),
    time: new Date(Date.now() - 5).toISOString(),
    schemaVersion: 1,
    document: null,
  };
  const { key, value, headers } = encodeRouted(
    event,
    options.deletes ? null : document(id, version),
    routedHeaders(event, 0, options.traceparent),
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

/** A dead letter as a reader of the topic decodes it. */
function decode({ key, value, headers }: ReturnType<typeof encodeDeadLetter>): DeadLetter & { original: unknown } {
  const texts = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, text.toString()]));
  const raw = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]));
  const found = decodeDeadLetterOrMark({ key, headers: texts, timestampMs: 0 });
  if (!found || !("deadLetter" in found)) throw new Error("not a dead letter");
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

test("a processed batch is in PostgreSQL and in the cache", async () => {
  const [a, b] = [newId(), newId()];
  await consumer.process(batch(record(a, 1), record(b, 1), record(a, 2), record(b, 2, { deletes: true })));
  const found = await process.lookup.find(a);
  expect([found.outcome.result, found.entry?.version]).toEqual(["hit", 2]);
  expect(await versionOf(b)).toEqual({ version: 2, body: null });
  expect(await outcomes()).toEqual({ applied: 4 });
});

test("a receipt reports each applied entity with its present version, and when it became readable", async () => {
  const [a, b] = [newId(), newId()];
  await consumer.process(batch(record(a, 1), record(a, 3), record(b, 2)));
  await consumer.process(batch(record(a, 2)));
  const [first, second] = sentReceipts;
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

test("P2: a redelivered batch has no effect, and its events are counted as duplicate or stale", async () => {
  const id = newId();
  const records = [record(id, 1), record(id, 2)];
  await consumer.process(batch(...records));
  const before = await database.sql`select xmin, * from products where id = ${id}`;
  await consumer.process(batch(...records));
  await consumer.process(batch(record(id, 1)));
  expect([...(await database.sql`select xmin, * from products where id = ${id}`)]).toEqual([...before]);
  expect(await outcomes()).toEqual({ applied: 2, stale: 2, duplicate: 1 });
});

test("a record that is not an event is counted, and blocks no other", async () => {
  const id = newId();
  const { key, value, headers } = record(id, 1);
  const garbage = [
    stored(null, "{}", headers as Record<string, string>),
    stored(key!.toString(), "{", headers as Record<string, string>),
    stored(key!.toString(), "{}"),
    stored("not-an-id", value!.toString(), headers as Record<string, string>),
    // The whole list goes to the database in one parameter, so an invalid digest must be rejected before.
    ...["x", "1,2", "9223372036854775808"].map((digest) =>
      stored(key!.toString(), value!.toString(), { ...(headers as Record<string, string>), [header.digest]: digest }),
    ),
  ];
  await consumer.process(batch(...garbage, record(id, 1)));
  expect((await versionOf(id))?.version).toBe(1);
  expect(await outcomes()).toEqual({ invalid: 7, applied: 1 });
  expect(deadLetters.map(({ reason }) => reason)).toEqual(Array(7).fill("unreadable"));
});

/** An event that the table rejects: its stock is not a number. */
function unappliable(version = 1, id = newId()): StoredRecord {
  const headers = record(id, version).headers as Record<string, string>;
  return stored(id, JSON.stringify({ ...document(id, version), stock: "many" }), headers);
}

test("batches of one turn share a statement, and the next one starts before Redis has answered", async () => {
  const steps: string[] = [];
  const stored = Promise.withResolvers<boolean>();
  const { applier, cacheWriter } = process;
  consumer = consumerWith({
    applier: {
      apply: async (changes) => {
        steps.push(`apply ${changes.length}`);
        return await applier.apply(changes);
      },
      forgetError() {},
    },
    cacheWriter: {
      store: async (applied) => {
        steps.push(`store ${applied.accepted.length}`);
        await stored.promise;
        return await cacheWriter.store(applied);
      },
    },
  });
  const processed = [1, 2, 3].map(async () => {
    await Promise.resolve();
    await consumer.process(batch(record(newId(), 1)));
  });
  await eventually(() => steps.length === 2, { timeoutMs: 10_000, what: "the first statement" });
  processed.push(consumer.process(batch(record(newId(), 1))));
  await eventually(() => steps.length === 4, { timeoutMs: 10_000, what: "the second statement" });
  expect(steps).toEqual(["apply 3", "store 3", "apply 1", "store 1"]);
  // A batch counts as processed, and its receipt is sent, when the cache has it.
  expect(sentReceipts).toEqual([]);
  stored.resolve(true);
  await Promise.all(processed);
  expect(sentReceipts.map(({ changes }) => changes.length)).toEqual([3, 1]);
});

test("P6: batches of several partitions share a statement, and one rejected row delays none of them", async () => {
  const ids = Array.from({ length: 12 }, newId);
  const bad = unappliable(4);
  await Promise.all(ids.map((id, i) => consumer.process(batch(record(id, 1), ...(i === 7 ? [bad] : [])))));
  const entries = await Promise.all(ids.map(versionOf));
  expect(entries.map((entry) => entry?.version)).toEqual(ids.map(() => 1));
  expect(deadLetters).toHaveLength(1);
  expect(deadLetters[0]).toMatchObject({
    origin: { topic: bad.topic, partition: 3, offset: bad.offset },
    reason: "unappliable",
    replica: "catalog",
    id: bad.key!.toString(),
    version: 4,
    original: { key: bad.key, value: bad.value, headers: bad.rawHeaders },
  });
  expect(deadLetters[0]!.detail).toStartWith("SQLSTATE 22P02: invalid input syntax for type integer");
  expect(`${deadLetters[0]!.detail}${deadLetters[0]!.stack}`).not.toContain("many");
  expect(await outcomes()).toEqual({ applied: 12, unappliable: 1 });
  expect(sentReceipts.flatMap(({ changes }) => changes.map(([id]) => id))).not.toContain(bad.key!.toString());
});

test("P6 P7: after a rejected version PostgreSQL and the cache serve the one before, and a later version replaces it", async () => {
  const id = newId();
  await consumer.process(batch(record(id, 1)));
  expect((await process.lookup.find(id)).outcome.result).toBe("hit");
  await consumer.process(batch(unappliable(2, id), record(newId(), 1)));
  const reads = [await process.lookup.find(id), await process.lookup.find(id)];
  expect(reads.map(({ outcome, entry }) => [outcome.result, entry?.version])).toEqual([
    ["miss", 1],
    ["hit", 1],
  ]);
  await consumer.process(batch(record(id, 3)));
  const later = await process.lookup.find(id);
  expect([later.outcome.result, later.entry?.version]).toEqual(["hit", 3]);
});

test("P6: when the newest event of an entity is rejected, an older one of the same batch is applied", async () => {
  const id = newId();
  await consumer.process(batch(record(id, 1), record(id, 2), unappliable(3, id), unappliable(4, id)));
  expect((await versionOf(id))?.version).toBe(2);
  expect(deadLetters.map(({ version }) => version).toSorted()).toEqual([3, 4]);
  expect(await outcomes()).toEqual({ applied: 2, unappliable: 2 });
});

test("a batch fails until its dead letters are stored; after a redelivery they are written again", async () => {
  const [bad, good] = [unappliable(), record(newId(), 1)];
  logUnavailable = true;
  await expect(consumer.process(batch(bad, good))).rejects.toThrow("unavailable");
  logUnavailable = false;
  expect((await versionOf(good.key!.toString()))?.version).toBe(1);
  await consumer.process(batch(bad, good));
  expect(deadLetters.map(({ id }) => id)).toEqual([bad.key!.toString()]);
});

test("P6: of 2,000 rows every tenth is rejected: the others are applied, and the dead letters are in order", async () => {
  const records = Array.from({ length: 2_000 }, (_, i) => (i % 10 === 0 ? unappliable() : record(newId(), 1)));
  await consumer.process(batch(...records));
  expect(deadLetters.map(({ origin }) => origin.offset)).toEqual(
    records.filter((_, i) => i % 10 === 0).map(({ offset }) => offset),
  );
  expect(await outcomes()).toEqual({ applied: 1_800, unappliable: 200 });
});

test("a table that accepts no row pauses the consumer and writes no dead letter, until it is repaired", async () => {
  await consumer.process(batch(record(newId(), 1)));
  const { sql } = database;
  const events = Array.from({ length: 60 }, () => record(newId(), 1));
  try {
    await sql`alter table products add column required text default 'x' not null`;
    await sql`alter table products alter column required drop default`;
    await sql`select lockstep.replicate('products', 'product')`;
    await expect(consumer.process(batch(...events))).rejects.toThrow("accepts no row");
    expect(consumer.tableProblem).toContain("required");
    await sql`alter table products rename to elsewhere`;
    await expect(consumer.process(batch(...events))).rejects.toThrow("accepts no row");
    await sql`alter table elsewhere rename to products`;
    expect(deadLetters).toEqual([]);
  } finally {
    await sql`alter table products drop column required`;
    await sql`select lockstep.replicate('products', 'product')`;
  }
  await consumer.process(batch(...events));
  expect(consumer.tableProblem).toBeUndefined();
  expect(await outcomes()).toEqual({ applied: 61 });
});

test("many rejected events in a row become dead letters while the table accepts others", async () => {
  await consumer.process(batch(record(newId(), 1)));
  await consumer.process(batch(...Array.from({ length: 45 }, () => unappliable())));
  expect(deadLetters).toHaveLength(45);
});

test("more events than fit one statement are applied in several", async () => {
  const ids = Array.from({ length: 4_500 }, newId);
  await consumer.process(batch(...ids.map((id) => record(id, 1))));
  const [row] = await database.sql`select count(*)::int as n from products where id = any (${ids})`;
  expect(row!.n).toBe(4_500);
  expect(await outcomes()).toEqual({ applied: 4_500 });
});

test("latencies to both stores, and the lag in records and milliseconds, are reported", async () => {
  await consumer.process({ ...batch(record(newId(), 1)), highWatermark: offset + 4 });
  const text = await metrics.text();
  for (const store of ["postgres", "redis"])
    expect(text).toMatch(new RegExp(`lockstep_sync_latency_seconds_count\\{.*store="${store}".*\\} 1\n`));
  expect(text).toMatch(/lockstep_consumer_lag\{group="lockstep.replica.catalog",partition="3",.*\} 4\n/);
  expect(lag.ms(Date.now(), 0)).toBeGreaterThanOrEqual(0);
});

test("each write has a span in its trace, with the cache write below it; a write of many rows has one span for all", async () => {
  const spans = startRecording();
  try {
    const parents = [newTraceparent(), newTraceparent()].map((traceparent) => traceparent.replace(/00$/, "01"));
    const many = newTraceparent().replace(/00$/, "01");
    const id = newId();
    await consumer.process(
      batch(
        ...parents.map((traceparent, i) => record(id, i + 1, { traceparent })),
        ...Array.from({ length: 5 }, () => record(newId(), 1, { traceparent: many })),
      ),
    );
    for (const parent of [...parents, many]) {
      const own = spans.filter(({ context }) => context.traceId === traceIdOf(parent));
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

test("a document of a newer schema version fails its whole batch, so that the replica waits for its upgrade", async () => {
  const [a, b] = [newId(), newId()];
  const newer = record(b, 1);
  const records = [record(a, 1), { ...newer, headers: { ...newer.headers, [header.schemaVersion]: "99" } }];
  await expect(consumer.process(batch(...records))).rejects.toThrow(NewerSchemaVersionError);
  expect(await versionOf(a)).toBeUndefined();
  await consumer.process(batch(records[0]!, newer));
  expect(await versionOf(b)).toMatchObject({ version: 1 });
});
