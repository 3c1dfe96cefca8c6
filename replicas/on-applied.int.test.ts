/** The project's function for applied changes, on a real database. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { decodeDeadLetterOrMark, isSuperseded } from "../contracts/dead-letter.ts";
import type { AppliedChange } from "../contracts/entity/declaration.ts";
import type { StoredRecord } from "../kafka/log.ts";
import { createMetrics } from "../observability/metrics.ts";
import { ConsumerLags } from "../pipeline/consumer-lags.ts";
import { type CacheProcess, startCacheProcess } from "../tests/harness/cache-process.ts";
import {
  entity,
  newId,
  type ReplicaDatabase,
  replicaDatabase,
  replicaOf,
  routedMessage,
  silentLogger,
} from "../tests/harness/replica.ts";
import { redisUrl } from "../tests/harness/servers.ts";
import { EntityConsumer } from "./consume.ts";
import { Lag } from "./lag.ts";

let at: ReplicaDatabase;
let process: CacheProcess;
let calls: AppliedChange[];
let deadLetters: Parameters<typeof decodeDeadLetterOrMark>[0][];

beforeAll(async () => {
  at = await replicaDatabase("catalog");
  process = await startCacheProcess(at.url, await redisUrl(), `hook-${newId()}`);
}, 60_000);
afterAll(async () => {
  await process[Symbol.asyncDispose]();
  await at[Symbol.asyncDispose]();
});
beforeEach(() => {
  calls = [];
  deadLetters = [];
});

/** A consumer whose replica declares the function. */
function consumerWith(onApplied: (change: AppliedChange) => unknown, signal = new AbortController().signal) {
  const metrics = createMetrics("test", "1");
  const consumer = new EntityConsumer(
    {
      ...{ applier: process.applier, cacheWriter: process.cacheWriter, lag: new Lag(), metrics, signal },
      receipts: { add: () => {} },
      lags: new ConsumerLags(metrics.consumerLag, "g"),
      deadLetters: {
        async write(_, __, messages) {
          for (const { key, headers } of messages)
            deadLetters.push({
              key: key === null ? null : Buffer.from(key),
              headers: headers as Record<string, string>,
              timestampMs: 0,
            });
        },
      },
      logger: silentLogger,
    },
    entity,
    {
      ...replicaOf("catalog"),
      onApplied: (change) => {
        calls.push(change);
        return onApplied(change);
      },
    },
  );
  const outcomes = async () =>
    Object.fromEntries((await metrics.hookCalls.get()).values.map(({ labels, value }) => [labels.outcome, value]));
  return { consumer, outcomes };
}

let offset = 0;
const batch = (...messages: ReturnType<typeof routedMessage>[]) => ({
  topic: "products.to.catalog",
  partition: 0,
  highWatermark: 1_000_000,
  records: messages.map(
    ({ key, value, headers }): StoredRecord => ({
      topic: "products.to.catalog",
      partition: 0,
      offset: offset++,
      timestampMs: 0,
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      headers,
      rawHeaders: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
    }),
  ),
});

const seen = () => calls.map(({ id, version, document }) => [id, version, document?.name ?? null]);

test("is called after the commit with the newest state of each entity, and for a delete without a document", async () => {
  const [one, two] = [newId(), newId()];
  const committed: unknown[] = [];
  const { consumer, outcomes } = consumerWith(async ({ id }) => {
    const [row] = await at.sql`select version::int from products where id = ${id}`;
    committed.push(row?.version);
  });
  await consumer.process(batch(routedMessage(one, 1), routedMessage(two, 1), routedMessage(one, 2)));
  expect(new Map(seen().map(([id, ...rest]) => [id, rest]))).toEqual(
    new Map([
      [one, [2, "at version 2"]],
      [two, [1, "at version 1"]],
    ]),
  );
  expect(committed.toSorted()).toEqual([1, 2]);
  await consumer.process(batch(routedMessage(one, 3, null)));
  expect(calls.at(-1)).toEqual({ entity: "product", id: one, version: 3, document: null });
  expect(await outcomes()).toEqual({ succeeded: 3 });
});

test("is called again for a redelivery, and not for a change that is older than the row or was rejected", async () => {
  const [id, bad] = [newId(), newId()];
  const { consumer } = consumerWith(() => {});
  await consumer.process(batch(routedMessage(id, 2)));
  await consumer.process(batch(routedMessage(id, 1), routedMessage(bad, 1, { stock: "many" })));
  await consumer.process(batch(routedMessage(id, 2)));
  expect(seen()).toEqual([
    [id, 2, "at version 2"],
    [id, 2, "at version 2"],
  ]);
  expect(deadLetters).toHaveLength(1);
});

test("a failure is retried, then becomes a dead letter that only a newer version supersedes; the row stays applied", async () => {
  const [flaky, broken, fine] = [newId(), newId(), newId()];
  let failures = 0;
  const { consumer, outcomes } = consumerWith(({ id }) => {
    if (id === broken) throw new TypeError("about secret 42");
    if (id === flaky && failures++ === 0) throw new Error("once");
  });
  await consumer.process(batch(...[flaky, broken, fine].map((id) => routedMessage(id, 1))));
  expect(await outcomes()).toEqual({ succeeded: 1, retried: 1, failed: 1 });
  expect(calls.filter(({ id }) => id === broken)).toHaveLength(3);
  const decoded = decodeDeadLetterOrMark(deadLetters[0]!);
  expect(deadLetters).toHaveLength(1);
  expect(decoded).toMatchObject({
    deadLetter: { reason: "hook-failed", id: broken, version: 1, detail: "onApplied threw TypeError (3 attempts)" },
  });
  expect(JSON.stringify(decoded)).not.toContain("secret");
  const deadLetter = "deadLetter" in decoded! ? decoded.deadLetter : undefined;
  expect([isSuperseded(deadLetter!, 1), isSuperseded(deadLetter!, 2)]).toEqual([false, true]);
  expect(await at.sql`select from products where id = ${broken}`).toHaveLength(1);
});

test("P6: a function that never works costs each change one attempt after a while, until it works again", async () => {
  let works = false;
  const { consumer, outcomes } = consumerWith(() => {
    if (!works) throw new Error("unavailable");
  });
  await consumer.process(batch(...Array.from({ length: 12 }, () => routedMessage(newId(), 1))));
  calls = [];
  const startedAt = performance.now();
  await consumer.process(batch(...Array.from({ length: 50 }, () => routedMessage(newId(), 1))));
  expect(calls).toHaveLength(50);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  expect(deadLetters).toHaveLength(62);
  works = true;
  await consumer.process(batch(routedMessage(newId(), 1)));
  expect(await outcomes()).toEqual({ failed: 62, succeeded: 1 });
});

test("a process that stops makes no further attempt, and its batch is delivered again", async () => {
  const stopping = new AbortController();
  const { consumer } = consumerWith(() => {
    stopping.abort(new Error("the process stops"));
    throw new Error("unavailable");
  }, stopping.signal);
  await expect(consumer.process(batch(routedMessage(newId(), 1)))).rejects.toThrow("the process stops");
  expect(deadLetters).toHaveLength(0);
});
