import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Hono } from "hono";
import { Redis } from "ioredis";
import { documentOf, rowOf } from "../../contracts/entity/row.ts";
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
  replicaOf,
  silentLogger,
  upsertChange,
} from "../../tests/harness/replica.ts";
import { redisUrl } from "../../tests/harness/servers.ts";
import { project } from "../../tests/project/index.ts";
import { replicaOpenApi } from "./openapi.ts";
import { addReads } from "./routes.ts";

let database: ReplicaDatabase;
/**
 * One replica with a cache and one without. Each has its own database, because a process without Redis keeps the cache
 * off.
 */
let cached: CacheProcess;
let plain: CacheProcess;
let plainDatabase: ReplicaDatabase;
let metrics: ReturnType<typeof createMetrics>;
let app: Hono;
let plainApp: Hono;
let redis: Redis;
let lag: number | undefined = 0;

function appOf({ lookup, rows, freshness }: CacheProcess): Hono {
  const routes = serviceApp({ checks: [], metrics, logger: silentLogger });
  addReads(
    routes,
    { lookup, rows, freshness, waitMs: 100, maxWaitMs: 2_000, metrics, lagMs: () => lag },
    entity,
    "catalog",
  );
  return routes;
}

beforeAll(async () => {
  metrics = createMetrics("test", "1");
  [database, plainDatabase] = await Promise.all([replicaDatabase("catalog"), replicaDatabase("catalog")]);
  redis = new Redis(await redisUrl());
  cached = await startCacheProcess(database.url, await redisUrl(), `routes-${newId()}`);
  plain = await startCacheProcess(plainDatabase.url, undefined, "catalog");
  [app, plainApp] = [appOf(cached), appOf(plain)];
  await eventually(() => cached.replica.epoch.lease()?.runId, { timeoutMs: 10_000, what: "the cache to be on" });
}, 60_000);

afterAll(async () => {
  redis.disconnect();
  for (const part of [cached, plain, database, plainDatabase]) await part[Symbol.asyncDispose]();
});

/** The replica's OpenAPI document: each response here is checked against it. */
const api = new OpenApiChecker(replicaOpenApi(project, "catalog"));
const get = (path: string, headers: Record<string, string> = {}, from = app) =>
  api.checked((url, init) => from.request(url, init))(path, { headers });
const expected = (change: ReturnType<typeof upsertChange>) =>
  JSON.stringify(documentOf(replicaOf("catalog"), rowOf(replicaOf("catalog"), change.document!)));

describe("one entity", () => {
  test("is answered from the cache after its apply, with version, lag and type", async () => {
    const change = upsertChange(newId(), 7);
    expect(await cached.applyAndCache([change])).toBe(true);
    lag = 12;
    const answer = await get(`/products/${change.id}`);
    lag = 0;
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": "application/json",
      etag: '"7"',
      "cache-status": "lockstep-redis; hit",
      "lockstep-lag": "12",
      "cache-control": "no-cache",
    });
    expect(await answer.text()).toBe(expected(change));
  });

  test("is read from PostgreSQL after a cache miss, and then from the cache with the same bytes", async () => {
    const change = upsertChange(newId(), 1);
    await cached.applier.apply([change]); // never stored in the cache, as if the process had died
    const fenced = await get(`/products/${change.id}`);
    expect(fenced.headers.get("cache-status")).toBe("lockstep-redis; fwd=uri-miss");
    const newer = { ...change, version: 2, document: { ...change.document, version: 2 } };
    await cached.applyAndCache([newer]);
    await redis.del(...(await redis.keys(`*${change.id}`)));
    const first = await get(`/products/${change.id}`);
    const second = await get(`/products/${change.id}`);
    expect(first.headers.get("cache-status")).toBe("lockstep-redis; fwd=uri-miss; stored");
    expect(second.headers.get("cache-status")).toBe("lockstep-redis; hit");
    expect(await second.text()).toBe(await first.text());
  });

  test("is 304 when If-None-Match has its version, and 200 when it has another", async () => {
    const { id } = upsertChange(newId(), 1);
    await cached.applyAndCache([upsertChange(id, 3)]);
    for (const tag of ['"3"', 'W/"3"', '"1", "3"', "*"]) {
      const answer = await get(`/products/${id}`, { "if-none-match": tag });
      expect([answer.status, await answer.text(), answer.headers.get("etag")]).toEqual([304, "", '"3"']);
    }
    expect((await get(`/products/${id}`, { "if-none-match": '"2"' })).status).toBe(200);
  });

  test("is a 404 problem after its delete, from the cache too, and when it never existed", async () => {
    const id = newId();
    await cached.applyAndCache([upsertChange(id, 1)]);
    await cached.applyAndCache([deleteChange(id, 2)]);
    const gone = await get(`/products/${id}`);
    expect([gone.status, gone.headers.get("cache-status")]).toEqual([404, "lockstep-redis; hit"]);
    expect(gone.headers.get("content-type")).toBe("application/problem+json");
    expect(await gone.json()).toMatchObject({ status: 404, code: "NOT_FOUND", instance: `/products/${id}` });
    const never = newId();
    for (let i = 0; i < 2; i++)
      expect((await get(`/products/${never}`)).headers.get("cache-status")).toBe("lockstep-redis; fwd=uri-miss");
    const invalid = await get("/products/1");
    expect(invalid.status).toBe(404);
    expect(await invalid.json()).toMatchObject({ detail: 'There is no product "1" in this replica.' });
    // An id that never existed leaves no key in Redis.
    expect(await redis.keys(`*${never}`)).toEqual([]);
  });

  test("is found by its id in upper case", async () => {
    const id = newId();
    await cached.applyAndCache([upsertChange(id, 1)]);
    expect((await get(`/products/${id.toUpperCase()}`)).status).toBe(200);
  });

  test("comes from PostgreSQL without Redis, and Cache-Status says so", async () => {
    const change = upsertChange(newId(), 4);
    expect(await plain.applyAndCache([change])).toBe(false);
    const answer = await get(`/products/${change.id}`, {}, plainApp);
    expect(answer.headers.get("cache-status")).toBe("lockstep-redis; fwd=bypass; detail=not-configured");
    expect(await answer.text()).toBe(expected(change));
  });

  test("counts hits, misses and bypasses", async () => {
    metrics.cacheRequests.reset();
    const id = newId();
    await cached.applyAndCache([upsertChange(id, 1)]);
    await get(`/products/${id}`);
    await get(`/products/${newId()}`);
    await get(`/products/${id}`, {}, plainApp);
    const { values } = await metrics.cacheRequests.get();
    expect(Object.fromEntries(values.map(({ labels, value }) => [labels.result, value]))).toEqual({
      hit: 1,
      miss: 1,
      bypass: 1,
    });
  });
});

describe("a list", () => {
  test("pages through all documents in the order of ids while documents are removed", async () => {
    await using own = await replicaDatabase("catalog");
    await using process = await startCacheProcess(own.url, undefined, "catalog");
    const pages = appOf(process);
    const ids = Array.from({ length: 45 }, newId).sort();
    await process.applyAndCache(ids.map((id) => upsertChange(id, 1)));
    const seen: string[] = [];
    let path = "/products";
    for (let page = 0; ; page++) {
      const answer = await get(path, {}, pages);
      expect(answer.headers.get("cache-status")).toBe("lockstep-redis; fwd=bypass; detail=list");
      const { items, nextCursor } = (await answer.json()) as { items: { id: string }[]; nextCursor: string | null };
      seen.push(...items.map(({ id }) => id));
      if (page === 0) await process.applyAndCache([deleteChange(ids[3]!, 2)]);
      if (!nextCursor) break;
      path = `/products?cursor=${nextCursor}`;
    }
    expect(seen).toEqual(ids);
    const { items } = (await (await get("/products?limit=2", {}, pages)).json()) as { items: unknown[] };
    expect(items).toEqual(ids.slice(0, 2).map((id) => JSON.parse(expected(upsertChange(id, 1)))));
  });

  test.each(["limit=0", "limit=101", "limit=x", "limit=-1", "cursor=nonsense"])("rejects %s", async (query) => {
    const answer = await get(`/products?${query}`);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: "MALFORMED", errors: [{ pointer: query.split("=")[0] }] });
  });
});

test.each([
  ["POST", "/products"],
  ["PUT", `/products/${newId()}`],
  ["PATCH", `/products/${newId()}`],
  ["DELETE", `/products/${newId()}`],
])("%s %s is rejected and points to the gateway", async (method, path) => {
  const answer = await api.checked((url, init) => app.request(url, init))(path, { method });
  expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  expect(((await answer.json()) as { detail: string }).detail).toBe(
    `${method} is not possible here: a replica only answers GET, HEAD. Send writes to the gateway.`,
  );
});

test("P14: reads that need a database without the table are 503 and say to retry", async () => {
  await using own = await replicaDatabase("catalog");
  await using process = await startCacheProcess(own.url, undefined, "catalog");
  const routes = appOf(process);
  await own.sql`alter table products rename to elsewhere`;
  for (const path of [`/products/${newId()}`, "/products"]) {
    const answer = await get(path, {}, routes);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await answer.json()).toMatchObject({
      code: "UNAVAILABLE",
      detail: "The replica's database does not respond; retry in a moment.",
    });
  }
});

test("HEAD returns the headers of GET without the body", async () => {
  const id = newId();
  await cached.applyAndCache([upsertChange(id, 1)]);
  const answer = await app.request(`/products/${id}`, { method: "HEAD" });
  expect([answer.status, answer.headers.get("etag"), await answer.text()]).toEqual([200, '"1"', ""]);
});

test("the OpenAPI document has no response that these tests did not see, except those of a replica that is behind or broken", async () => {
  expect((await get(`/products/${newId()}`, { "sync-token": "of no write" })).status).toBe(400);
  const unseen = api
    .responsesOf("products")
    .filter((answer) => !api.checkedResponses.has(answer) && !/ (500|503)$/.test(answer));
  expect(unseen).toEqual([]);
});
