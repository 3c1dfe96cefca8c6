/** P8 at one replica: reads with a `Sync-Token`, on a real PostgreSQL and a real Redis. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Hono } from "hono";
import { encodeSyncToken } from "../../contracts/sync-token.ts";
import { createMetrics } from "../../observability/metrics.ts";
import { serviceApp } from "../../platform/http/service-app.ts";
import { OpenApiChecker } from "../../tests/harness/api-descriptions.ts";
import { type CacheProcess, startCacheProcess } from "../../tests/harness/cache-process.ts";
import { eventually } from "../../tests/harness/eventually.ts";
import {
  deleteChange,
  entity,
  newId,
  type ReplicaDatabase,
  replicaDatabase,
  silentLogger,
  upsertChange,
} from "../../tests/harness/replica.ts";
import { redisUrl } from "../../tests/harness/servers.ts";
import { project } from "../../tests/project/index.ts";
import { replicaOpenApi } from "./openapi.ts";
import { addReads } from "./routes.ts";

let database: ReplicaDatabase;
/** Two processes of one replica. */
let here: CacheProcess;
let other: CacheProcess;
let app: Hono;

/**
 * Waits until the process has a new lease on an enabled cache. A process that gets no CPU time renews its lease too late,
 * and its reads then bypass the cache.
 */
const untilLeased = ({ replica }: CacheProcess) =>
  eventually(
    async () => {
      await replica.epoch.refresh();
      return replica.epoch.lease()?.runId;
    },
    { timeoutMs: 10_000, what: "a lease on the cache" },
  );

beforeAll(async () => {
  database = await replicaDatabase("catalog");
  const name = `fresh-${newId()}`;
  here = await startCacheProcess(database.url, await redisUrl(), name);
  other = await startCacheProcess(database.url, await redisUrl(), name);
  const metrics = createMetrics("test", "1");
  app = serviceApp({ checks: [], metrics, logger: silentLogger });
  addReads(app, { ...here, waitMs: 50, maxWaitMs: 10_000, metrics, lagMs: () => 7 }, entity, "catalog");
  for (const process of [here, other]) await untilLeased(process);
}, 60_000);
afterAll(async () => {
  for (const part of [here, other, database]) await part[Symbol.asyncDispose]();
});

const token = (...required: [id: string, version: number][]) =>
  encodeSyncToken(required.map(([id, version]) => ({ plural: entity.plural, id, version })));
/** Each response is checked against the replica's OpenAPI document. */
const send = new OpenApiChecker(replicaOpenApi(project, "catalog")).checked((url, init) => app.request(url, init));
const read = (path: string, syncToken: string, prefer?: string) =>
  send(path, { headers: { "sync-token": syncToken, ...(prefer ? { prefer } : {}) } });

test("a version that is already applied is answered at once, from the cache too", async () => {
  const id = newId();
  await untilLeased(here);
  await here.applyAndCache([upsertChange(id, 2)]);
  for (const version of [1, 2]) {
    await untilLeased(here);
    const answer = await read(`/products/${id}`, token([id, version]));
    expect([answer.status, answer.headers.get("etag"), answer.headers.get("cache-status")]).toEqual([
      200,
      '"2"',
      "lockstep-redis; hit",
    ]);
  }
});

test.each([["this process"], ["another process"]])("a read waits for a version that %s applies", async (by) => {
  const id = newId();
  const process = by === "this process" ? here : other;
  await process.applyAndCache([upsertChange(id, 1)]);
  let answered = false;
  const answer = Promise.resolve(read(`/products/${id}`, token([id, 2]), "wait=10")).finally(() => {
    answered = true;
  });
  await eventually(() => here.freshness.size === 1, { timeoutMs: 10_000, what: "the read to wait" });
  expect(answered).toBe(false);
  await process.applyAndCache([upsertChange(id, 2)]);
  const { status, headers } = await answer;
  expect([status, headers.get("etag"), headers.get("preference-applied")]).toEqual([200, '"2"', "wait=10"]);
});

test("P8: while versions of several ids and entities are applied, each read waits for its own id only", async () => {
  const [a, b] = [newId(), newId()];
  await here.applyAndCache([upsertChange(a, 1), upsertChange(b, 1)].toSorted((x, y) => (x.id < y.id ? -1 : 1)));
  const both = encodeSyncToken([
    { plural: "orders", id: a, version: 9 },
    { plural: entity.plural, id: a, version: 2 },
    { plural: entity.plural, id: b, version: 3 },
  ]);
  const answers = [a, b].map((id) => read(`/products/${id}`, both, "wait=10"));
  await eventually(() => here.freshness.size === 2, { timeoutMs: 10_000, what: "both reads to wait" });
  await here.applyAndCache([upsertChange(a, 2)]);
  expect((await answers[0]!).headers.get("etag"), `version of product ${a}`).toBe('"2"');
  expect(here.freshness.size).toBe(1);
  await here.applyAndCache([upsertChange(b, 3)]);
  expect((await answers[1]!).headers.get("etag"), `version of product ${b}`).toBe('"3"');
});

test("P8: a version that the table rejects, or of another entity with the same id, does not end a wait", async () => {
  const [rejected, other] = [newId(), newId()];
  await here.applyAndCache([upsertChange(rejected, 1)]);
  const answer = read(`/products/${rejected}`, token([rejected, 2]), "wait=10");
  await eventually(() => here.freshness.size === 1, { timeoutMs: 10_000, what: "the read to wait" });
  const applied = await here.applier.apply([upsertChange(rejected, 2, { stock: "many" })]);
  expect(applied.rejected.map(({ change }) => change.id)).toEqual([rejected]);
  expect(here.freshness.size, "reads that still wait").toBe(1);
  await here.applyAndCache([upsertChange(rejected, 3)]);
  expect((await answer).headers.get("etag")).toBe('"3"');
  await database.sql`insert into lockstep.versions (entity, id, version, deleted) values ('order', ${other}, 9, false)`;
  expect((await read(`/products/${other}`, token([other, 2]), "wait=0.01")).status).toBe(503);
});

test("a read waits for a delete, and for a version that this replica's filter excludes", async () => {
  const [deleted, excluded] = [newId(), newId()];
  await here.applyAndCache([upsertChange(deleted, 1)]);
  const answers = [
    read(`/products/${deleted}`, token([deleted, 2]), "wait=10"),
    read(`/products/${excluded}`, token([excluded, 4]), "wait=10"),
  ];
  await here.applyAndCache([deleteChange(deleted, 2), deleteChange(excluded, 4)]);
  for (const answer of await Promise.all(answers)) expect(answer.status).toBe(404);
});

test("a list waits for the newest version of each id in all of its tokens", async () => {
  const [a, b] = [newId(), newId()];
  await here.applyAndCache([upsertChange(a, 1)]);
  const both = `${token([a, 2])}, ${token([b, 1], [a, 1])}`;
  const answer = read("/products?limit=100", both, "wait=10");
  await here.applyAndCache([upsertChange(a, 2)]);
  await here.applyAndCache([upsertChange(b, 1)]);
  expect((await answer).status).toBe(200);
  const { items } = (await (await answer).json()) as { items: { id: string; version: number }[] };
  expect(items.filter(({ id }) => id === a || id === b).map(({ version }) => version)).toEqual(a < b ? [2, 1] : [1, 2]);
});

test("a replica that is still behind after the wait answers 503 with Retry-After and its lag", async () => {
  const id = newId();
  await here.applyAndCache([upsertChange(id, 1)]);
  for (const path of [`/products/${id}`, "/products"]) {
    const start = performance.now();
    const answer = await read(path, token([id, 2]), "wait=0.2");
    expect(performance.now() - start).toBeGreaterThanOrEqual(199);
    expect([answer.status, answer.headers.get("retry-after"), answer.headers.get("lockstep-lag")]).toEqual([
      503,
      "1",
      "7",
    ]);
    expect(await answer.json()).toMatchObject({
      code: "BEHIND",
      detail: `This replica does not have version 2 of product ${id} after 200 ms. Retry, or wait longer with Prefer: wait=N.`,
    });
  }
  const several = await read("/products", token([id, 2], [newId(), 1]), "wait=0.01");
  expect(await several.json()).toMatchObject({
    detail: expect.stringContaining("does not have all versions of the Sync-Token after 10 ms"),
  });
  expect((await read(`/products/${id}`, token([id, 2]))).status).toBe(503);
});

test("a token for another id does not delay a read, and an invalid token is rejected", async () => {
  const id = newId();
  await here.applyAndCache([upsertChange(id, 1)]);
  expect((await read(`/products/${id}`, token([newId(), 9]))).status).toBe(200);
  const foreign = encodeSyncToken([{ plural: "orders", id, version: 9 }]);
  expect((await read(`/products/${id}`, foreign)).status).toBe(200);
  const rejected = await read(`/products/${id}`, "nonsense");
  expect(rejected.status).toBe(400);
  expect(await rejected.json()).toMatchObject({ code: "MALFORMED", errors: [{ pointer: "Sync-Token" }] });
});
