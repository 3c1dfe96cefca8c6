/** P11: verification finds every row that differs and no other while writes go on, and repair mends exactly those. */
import { expect, test } from "bun:test";
import { Redis } from "ioredis";
import postgres, { type Sql } from "postgres";
import { request } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { newProduct, Writers } from "../harness/load.ts";
import { runLockstep } from "../harness/run-lockstep.ts";
import { Stack } from "../harness/stack.ts";
import { untilInStep } from "../harness/stack-checker.ts";

/** Rows beside those that are written meanwhile; 200,000 for the figures of the documentation. */
const ROWS = Number(process.env.TEST_ROWS ?? 4_000);
const PLANTED = 200;

interface Verified {
  readonly equal: boolean;
  readonly verified: {
    replica: string;
    rows: number;
    seconds: number;
    behind: boolean;
    differences: { id: string; kind: string }[];
  }[];
}

/** Changes a replica's table behind its back, a quarter of them in each of four ways. @returns the kind by id. */
async function plant(replica: Sql, ids: readonly string[]): Promise<Map<string, string>> {
  const quarter = ids.length / 4;
  const [missing, stale, altered, copied] = [0, 1, 2, 3].map((i) => ids.slice(i * quarter, (i + 1) * quarter));
  await replica`delete from products where id in ${replica(missing!)}`;
  await replica`update products set version = 1, name = 'as it was' where id in ${replica(stale!)}`;
  await replica`update products set price = price + 1 where id in ${replica(altered!)}`;
  const extra = copied!.map(() => Bun.randomUUIDv7());
  for (const [i, id] of extra.entries())
    await replica`insert into products select (jsonb_populate_record(p, jsonb_build_object('id', ${id}::uuid))).*
      from products p where id = ${copied![i]!}`;
  const of = (kind: string, list: readonly string[]) => list.map((id) => [id, kind] as const);
  return new Map([
    ...of("missing", missing!),
    ...of("stale", stale!),
    ...of("altered", altered!),
    ...of("extra", extra),
  ]);
}

/** What the console tells of a replica; undefined when it tells nothing. */
async function divergent(console: string, replica: string): Promise<number | undefined> {
  const text = await (await fetch(`${console}/metrics`)).text();
  const line = text.split("\n").find((l) => l.startsWith("lockstep_divergent_rows") && l.includes(`"${replica}"`));
  return line === undefined ? undefined : Number(line.split(" ").at(-1));
}

const told = (console: string, count: number) =>
  eventually(async () => (await divergent(console, "catalog")) === count, {
    timeoutMs: 30_000,
    what: `the console to tell of ${count} rows`,
  });

const found = (document: unknown, replica: string) =>
  new Map(
    (document as Verified).verified.find((v) => v.replica === replica)!.differences.map(({ id, kind }) => [id, kind]),
  );

test("P11: 200 rows that were changed in a replica are found under load, with no false alarm, and repaired", async () => {
  await using stack = await Stack.start({ env: { LOCKSTEP_VERIFY_EVERY_S: "0" } });
  const source = postgres(await stack.url("gateway-db"), { max: 1, onnotice: () => {} });
  const catalog = postgres(await stack.url("catalog-db"), { max: 1, onnotice: () => {} });
  for (let made = 0; made < ROWS; made += 1_000)
    await source`insert into products (sku, name, price, status)
      select gen_random_uuid(), 'Cup', 1.50, case when n % 3 = 0 then 'draft' else 'active' end from generate_series(1, 1000) n`;
  // So that there is a version before the newest.
  const rows = await source<{ id: string }[]>`
    update products set name = 'Mug' where id in (select id from products order by md5(id::text) limit ${PLANTED}) returning id`;
  await untilInStep(stack, 300_000);
  const clean = await runLockstep(stack, "verify", "--json", "--share", "1");
  expect([clean.status, (clean.document as unknown as Verified).equal, clean.stderr]).toEqual([0, true, ""]);

  const planted = await plant(
    catalog,
    rows.map(({ id }) => id),
  );
  const writers = new Writers(await stack.url("gateway"), 200).start();
  const checked = await runLockstep(stack, "verify", "--json", "--share", "1");
  expect(checked.status).toBe(1);
  expect(found(checked.document, "catalog")).toEqual(planted);
  expect(found(checked.document, "storefront")).toEqual(new Map());
  await told(await stack.url("console"), PLANTED);

  const repaired = await runLockstep(stack, "repair", "--json", "--share", "1");
  expect([repaired.status, repaired.document?.repaired, repaired.document?.left]).toEqual([0, PLANTED, []]);
  await told(await stack.url("console"), 0);
  const again = await runLockstep(stack, "verify", "--json", "--share", "1");
  await writers.stop();
  expect([again.status, (again.document as unknown as Verified).equal]).toEqual([0, true]);
  await untilInStep(stack, 60_000);
  const [catalogResult] = (checked.document as unknown as Verified).verified;
  console.log(
    `${catalogResult!.rows} rows under ${writers.acks} writes: ${planted.size} planted, all found in ${catalogResult!.seconds.toFixed(1)} s`,
  );
  await Promise.all([source.end(), catalog.end()]);
}, 900_000);

test("P11: what somebody changes behind a replica's back, in its table or its cache, is noticed though nobody asks", async () => {
  await using stack = await Stack.start({ env: { LOCKSTEP_VERIFY_EVERY_S: "3" } });
  const { body, status } = await request("POST", `${await stack.url("gateway")}/products`, newProduct(), {
    prefer: "wait=10",
  });
  expect(status).toBe(201);
  const other = await request("POST", `${await stack.url("gateway")}/products`, newProduct(), { prefer: "wait=10" });
  const console = await stack.url("console");
  await told(console, 0);
  const catalog = postgres(await stack.url("catalog-db"), { max: 1, onnotice: () => {} });
  await catalog`update products set stock = stock + 1 where id = ${body.id as string}`;
  await catalog.end();
  const redis = new Redis(await stack.url("redis"));
  const key = `lockstep:{catalog.products}:${other.body.id}`;
  const entry = await eventually(() => redis.get(key), { timeoutMs: 10_000, what: "the product to be cached" });
  await redis.set(key, entry.replace('"BRL"', '"EUR"'));
  redis.disconnect();
  await told(console, 2);
  const repaired = await runLockstep(stack, "repair", "--json");
  expect([repaired.status, repaired.document?.repaired]).toEqual([0, 2]);
  await told(console, 0);
}, 180_000);
