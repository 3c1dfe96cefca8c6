/** P11: under writes, verification finds exactly the rows that differ, and repair corrects exactly those. */
import { expect, test } from "bun:test";
import { Redis } from "ioredis";
import postgres, { type Sql } from "postgres";
import { request } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { newProduct, Writers } from "../harness/load.ts";
import { runLockstep } from "../harness/run-lockstep.ts";
import { Stack } from "../harness/stack.ts";
import { untilInStep } from "../harness/stack-checker.ts";

/** Rows before the concurrent writes start. The figures in the documentation use 200,000. */
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

/**
 * Changes rows directly in a replica's table, a quarter of them in each of four ways.
 * @returns the kind of difference by id.
 */
async function plantDifferences(replica: Sql, ids: readonly string[]): Promise<Map<string, string>> {
  const quarter = ids.length / 4;
  const [missing, stale, altered, copied] = [0, 1, 2, 3].map((i) => ids.slice(i * quarter, (i + 1) * quarter));
  await replica`delete from products where id in ${replica(missing!)}`;
  await replica`update products set version = 1, name = 'Outdated' where id in ${replica(stale!)}`;
  await replica`update products set price = price + 1 where id in ${replica(altered!)}`;
  const extra = copied!.map(() => Bun.randomUUIDv7());
  for (const [i, id] of extra.entries())
    await replica`insert into products select (jsonb_populate_record(p, jsonb_build_object('id', ${id}::uuid))).*
      from products p where id = ${copied![i]!}`;
  const entries = (kind: string, list: readonly string[]) => list.map((id) => [id, kind] as const);
  return new Map([
    ...entries("missing", missing!),
    ...entries("stale", stale!),
    ...entries("altered", altered!),
    ...entries("extra", extra),
  ]);
}

/** The number of divergent rows in the console's metrics; undefined without a value for the replica. */
async function divergentRows(console: string, replica: string): Promise<number | undefined> {
  const text = await (await fetch(`${console}/metrics`)).text();
  const line = text.split("\n").find((l) => l.startsWith("lockstep_divergent_rows") && l.includes(`"${replica}"`));
  return line === undefined ? undefined : Number(line.split(" ").at(-1));
}

const waitForDivergentRows = (console: string, count: number) =>
  eventually(async () => (await divergentRows(console, "catalog")) === count, {
    timeoutMs: 30_000,
    what: `the console to report ${count} divergent rows`,
  });

const differencesOf = (document: unknown, replica: string) =>
  new Map(
    (document as Verified).verified.find((v) => v.replica === replica)!.differences.map(({ id, kind }) => [id, kind]),
  );

test("P11: under load, verify finds 200 changed rows without a false alarm, and repair corrects them", async () => {
  await using stack = await Stack.start({ env: { LOCKSTEP_VERIFY_EVERY_S: "0" } });
  const source = postgres(await stack.url("gateway-db"), { max: 1, onnotice: () => {} });
  const catalog = postgres(await stack.url("catalog-db"), { max: 1, onnotice: () => {} });
  for (let made = 0; made < ROWS; made += 1_000)
    await source`insert into products (sku, name, price, status)
      select gen_random_uuid(), 'Cup', 1.50, case when n % 3 = 0 then 'draft' else 'active' end from generate_series(1, 1000) n`;
  // A second version, so that a row can also be stale.
  const rows = await source<{ id: string }[]>`
    update products set name = 'Mug' where id in (select id from products order by md5(id::text) limit ${PLANTED}) returning id`;
  await untilInStep(stack, 300_000);
  const clean = await runLockstep(stack, "verify", "--json", "--share", "1");
  expect([clean.status, (clean.document as unknown as Verified).equal, clean.stderr]).toEqual([0, true, ""]);

  const planted = await plantDifferences(
    catalog,
    rows.map(({ id }) => id),
  );
  const writers = new Writers(await stack.url("gateway"), 200).start();
  const checked = await runLockstep(stack, "verify", "--json", "--share", "1");
  expect(checked.status).toBe(1);
  expect(differencesOf(checked.document, "catalog")).toEqual(planted);
  expect(differencesOf(checked.document, "storefront")).toEqual(new Map());
  await waitForDivergentRows(await stack.url("console"), PLANTED);

  const repaired = await runLockstep(stack, "repair", "--json", "--share", "1");
  expect([repaired.status, repaired.document?.repaired, repaired.document?.left]).toEqual([0, PLANTED, []]);
  await waitForDivergentRows(await stack.url("console"), 0);
  const afterRepair = await runLockstep(stack, "verify", "--json", "--share", "1");
  await writers.stop();
  expect([afterRepair.status, (afterRepair.document as unknown as Verified).equal]).toEqual([0, true]);
  await untilInStep(stack, 60_000);
  const [catalogResult] = (checked.document as unknown as Verified).verified;
  console.log(
    `${catalogResult!.rows} rows under ${writers.acks} writes: found all ${planted.size} differences in ${catalogResult!.seconds.toFixed(1)} s`,
  );
  await Promise.all([source.end(), catalog.end()]);
}, 900_000);

test("P11: the console detects a direct change of a replica's table or cache without a command", async () => {
  await using stack = await Stack.start({ env: { LOCKSTEP_VERIFY_EVERY_S: "3" } });
  const { body, status } = await request("POST", `${await stack.url("gateway")}/products`, newProduct(), {
    prefer: "wait=10",
  });
  expect(status).toBe(201);
  const other = await request("POST", `${await stack.url("gateway")}/products`, newProduct(), { prefer: "wait=10" });
  const console = await stack.url("console");
  await waitForDivergentRows(console, 0);
  const catalog = postgres(await stack.url("catalog-db"), { max: 1, onnotice: () => {} });
  await catalog`update products set stock = stock + 1 where id = ${body.id as string}`;
  await catalog.end();
  const redis = new Redis(await stack.url("redis"));
  const key = `lockstep:{catalog.products}:${other.body.id}`;
  const entry = await eventually(() => redis.get(key), { timeoutMs: 10_000, what: "the product to be cached" });
  await redis.set(key, entry.replace('"BRL"', '"EUR"'));
  redis.disconnect();
  await waitForDivergentRows(console, 2);
  const repaired = await runLockstep(stack, "repair", "--json", "--share", "1");
  expect([repaired.status, repaired.document?.repaired]).toEqual([0, 2]);
  await waitForDivergentRows(console, 0);
}, 180_000);
