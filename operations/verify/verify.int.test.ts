/** What a verification says about a source and a replica on real servers, without a stack between them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Redis } from "ioredis";
import postgres, { type Sql } from "postgres";
import { documentOf } from "../../contracts/entity.ts";
import { eventsTopic } from "../../contracts/topics.ts";
import { migrations } from "../../gateway/migrations/index.ts";
import { connectLog } from "../../platform/log/kafkajs/index.ts";
import type { Log } from "../../platform/log/log.ts";
import { migrate } from "../../platform/migrate.ts";
import { type CacheProcess, startCacheProcess } from "../../tests/harness/cache-process.ts";
import { eventually } from "../../tests/harness/eventually.ts";
import { brokerAddress, freshDatabase, redisUrl } from "../../tests/harness/parts.ts";
import { entity, type ReplicaDatabase, replicaDatabase, replicaOf, silent } from "../../tests/harness/replica.ts";
import { verify } from "./verify.ts";

/** Tables, topics and groups of this test's own, so that nobody else's offsets matter. */
const plural = "products";
const catalog = replicaOf("catalog");
let source: Sql;
let database: ReplicaDatabase;
let replica: CacheProcess;
let log: Log;
let redis: Redis;
let behind = false;

beforeAll(async () => {
  const url = await freshDatabase();
  await migrate(url, migrations, silent);
  source = postgres(url, { max: 2, onnotice: () => {}, connection: { TimeZone: "UTC" } });
  database = await replicaDatabase("catalog");
  replica = await startCacheProcess(database.url, await redisUrl(), "catalog");
  redis = new Redis(await redisUrl());
  const real = await connectLog({ brokers: [await brokerAddress()], clientId: "test", logger: silent });
  // What is on its way is this test's to say.
  const ends = (topic: string) => (behind && topic !== eventsTopic(entity).name ? 5 : 0);
  log = {
    ...real,
    bounds: async (topic) => new Map([[0, { first: 0, next: ends(topic) }]]),
    progress: async () => new Map([[0, 0]]),
  };
  await eventually(() => replica.replica.epoch.lease()?.runId, { withinMs: 10_000, what: "the cache to be on" });
}, 120_000);
afterAll(async () => {
  redis.disconnect();
  await replica[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  await source.end({ timeout: 1 });
  await log.close();
});

/** Carries what is in the outbox to the replica, as relay and stream would, and empties it. */
async function deliver(): Promise<void> {
  const rows = await source<
    { id: string; version: string; digest: string | null; data: Record<string, unknown> | null; resend: boolean }[]
  >`
    select id, version, digest::text, data, resend from lockstep.outbox order by seq`;
  for (const { id, version, digest, data, resend } of rows) {
    const document = data && documentOf(entity.fields, data);
    const { createdAt, updatedAt } = document ?? {};
    const projected = document && { id, ...catalog.project(document), createdAt, updatedAt, version: Number(version) };
    await replica.take([
      {
        id,
        version: Number(version),
        document: projected,
        ...(digest ? { digest } : {}),
        ...(resend ? { resend: "1" } : {}),
      },
    ]);
  }
  await source`delete from lockstep.outbox`;
}

async function insert(count: number): Promise<string[]> {
  const rows = await source<{ id: string }[]>`
    insert into products (sku, name, price) select gen_random_uuid(), 'Cup', n from generate_series(1, ${count}) n returning id`;
  return rows.map(({ id }) => id);
}

async function differences(withinMs = 1_000) {
  const parts = { source, replica: () => database.sql, log, redis };
  const options = { share: 1, withinMs, signal: new AbortController().signal, onProgress: () => {} };
  const [verified] = await verify(parts, entity, [catalog], options);
  return verified!;
}
const kindsOf = async () => new Map((await differences()).differences.map(({ id, kind }) => [id, kind]));

test("equal databases are equal, whatever was inserted, changed and deleted on the way", async () => {
  const [first, second] = await insert(30);
  await source`update products set name = 'Mug', tags = '{a}' where id = ${first!}`;
  await source`delete from products where id = ${second!}`;
  await deliver();
  expect(await differences()).toMatchObject({
    entity: "product",
    replica: "catalog",
    rows: 29,
    differences: [],
    behind: false,
  });
});

test("what the source changed without telling is found by content: triggers were off", async () => {
  const [altered, added, removed] = await insert(3);
  await deliver();
  await source.unsafe(`alter table ${plural} disable trigger all`);
  await source`update products set name = 'told nobody' where id = ${altered!}`;
  const [unheard] = await insert(1);
  await source`delete from products where id = ${removed!}`;
  await source.unsafe(
    `alter table ${plural} enable always trigger lockstep_stamp; alter table ${plural} enable trigger all`,
  );
  const found = (await differences()).differences;
  expect(found.find(({ id }) => id === altered)).toMatchObject({ kind: "altered", fields: ["name"] });
  expect(new Map(found.map(({ id, kind }) => [id, kind]))).toEqual(
    new Map([
      [altered!, "altered"],
      [unheard!, "missing"],
      [removed!, "extra"],
    ]),
  );
  expect(found.some(({ id }) => id === added)).toBe(false);
  await source`select lockstep.resend('product', ${[altered!, unheard!, removed!]}::uuid[], ${[1, 1, 2]}::bigint[])`;
  await deliver();
  expect(await kindsOf()).toEqual(new Map());
});

test("rows that were only moved, as by a dump and restore, are equal", async () => {
  await insert(5);
  await deliver();
  await database.sql`update products set name = name`;
  expect(await kindsOf()).toEqual(new Map());
});

test("what has not arrived is not taken for missing while the replica is behind, and is when nothing is on its way any more", async () => {
  const [late] = await insert(1);
  await source`delete from lockstep.outbox`;
  behind = true;
  expect(await differences(300)).toMatchObject({ differences: [], behind: true });
  behind = false;
  expect(await kindsOf()).toEqual(new Map([[late!, "missing"]]));
  await source`select lockstep.resend('product', ${[late!]}::uuid[])`;
  await deliver();
});

test("a cache that says something else than its database is found, and mended by sending again", async () => {
  const [altered, stale, right] = await insert(3);
  await deliver();
  const key = (id: string) => `lockstep:{catalog.products}:${id}`;
  const entry = async (id: string) => (await redis.get(key(id)))!;
  await redis.set(key(altered!), (await entry(altered!)).replace("Cup", "Cap"));
  await source`update products set name = 'Mug' where id = ${stale!}`;
  const old = await entry(stale!);
  await deliver();
  await redis.set(key(stale!), old);
  expect(await kindsOf()).toEqual(
    new Map([
      [altered!, "cache-altered"],
      [stale!, "cache-stale"],
    ]),
  );
  await source`select lockstep.resend('product', ${[altered!, stale!]}::uuid[])`;
  await deliver();
  expect(await kindsOf()).toEqual(new Map());
  expect(await entry(right!)).toContain("Cup");
});
