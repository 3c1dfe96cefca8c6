/** P10: whatever the log loses, no replica loses a row, and `lockstep resync` makes all complete again. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import postgres, { type Sql } from "postgres";
import { request } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { newProduct, Writers } from "../harness/load.ts";
import { runLockstep } from "../harness/run-lockstep.ts";
import { Stack } from "../harness/stack.ts";
import { findLostWrites, untilInStep } from "../harness/stack-checker.ts";

const ROWS = 300;
const TOPICS = [
  "products.events",
  "products.versions",
  "products.to.storefront",
  "products.to.catalog",
  "products.dead-letter",
  "canaries.events",
  "lockstep.receipts",
  "lockstep.control",
];
const REPLICAS = ["catalog", "storefront"] as const;
type ReplicaName = (typeof REPLICAS)[number];

let stack: Stack;
let source: Sql;
let databases: Readonly<Record<ReplicaName, Sql>>;
beforeAll(async () => {
  stack = await Stack.start();
  const connect = async (name: string) => postgres(await stack.url(name), { max: 2, onnotice: () => {} });
  source = await connect("gateway-db");
  databases = { catalog: await connect("catalog-db"), storefront: await connect("storefront-db") };
  await insert(ROWS);
  await untilInStep(stack, 60_000);
}, 300_000);
afterAll(async () => {
  await Promise.all([source, ...Object.values(databases)].map((sql) => sql.end({ timeout: 1 })));
  await stack[Symbol.asyncDispose]();
}, 60_000);

const insert = (rows: number) => source`
  insert into products (sku, name, price, status)
  select gen_random_uuid(), 'Cup', 1.50, 'active' from generate_series(1, ${rows})`;

async function deleteTopic(topic: string): Promise<void> {
  const admin = new Kafka({ brokers: await stack.brokers(), logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
}

const idsOf = async (sql: Sql) => new Set((await sql<{ id: string }[]>`select id from products`).map(({ id }) => id));

/** Looks at a replica all the time, until it is disposed of: rows that it had and lost, without a delete in the source. */
function watchRows(name: ReplicaName): { readonly lost: Set<string>; [Symbol.asyncDispose](): Promise<void> } {
  const lost = new Set<string>();
  let isRunning = true;
  const seen = new Set<string>();
  const running = (async () => {
    while (isRunning) {
      const [now, inSource] = [await idsOf(databases[name]), await idsOf(source)];
      for (const id of seen) if (!now.has(id) && inSource.has(id)) lost.add(id);
      for (const id of now) seen.add(id);
      await Bun.sleep(50);
    }
  })();
  return {
    lost,
    async [Symbol.asyncDispose]() {
      isRunning = false;
      await running;
    },
  };
}

/** The problem of the condition `log-incomplete`; null while it is absent, undefined while the service is down. */
async function logProblem(name: ReplicaName): Promise<string | null | undefined> {
  const { body } = await request("GET", `${await stack.url(name)}/health/ready`).catch(() => ({ body: undefined }));
  const checks = body?.checks as { condition: string; problem: string | null }[] | undefined;
  return checks?.find(({ condition }) => condition === "log-incomplete")?.problem;
}

async function restart(name: ReplicaName): Promise<void> {
  await stack.untilReplaced(name, await stack.kill(name, "SIGKILL"));
}

async function resyncAll(...args: string[]) {
  const { status, document, stdout, stderr } = await runLockstep(stack, "resync", "--json", ...args);
  if (status !== 0) throw new Error(`resync ended with ${status}: ${stderr || stdout}`);
  return document as { equal: boolean; createdTopics: string[]; cleared: Record<string, string> };
}

test("P10: a replica whose topic was deleted loses no row, says so, answers, and is in step after one verb", async () => {
  await using rows = watchRows("catalog");
  // Changes that the replica has not read when its topic is deleted: the log can never deliver them.
  expect((await runLockstep(stack, "pause", "catalog")).status).toBe(0);
  const [deleted] = await source<
    { id: string }[]
  >`delete from products where id = (select min(id::text)::uuid from products) returning id`;
  await source`update products set name = 'changed' where id in (select id from products limit 20)`;
  await deleteTopic("products.to.catalog");
  await restart("catalog");
  expect((await runLockstep(stack, "resume", "catalog")).status).toBe(0);
  const problem = await eventually(() => logProblem("catalog"), { timeoutMs: 10_000, what: "the condition" });
  expect(problem).toMatch(new RegExp(`^the log lacks \\d+ of ${ROWS} entities$`));
  const { id } = (await source`select id from products limit 1`)[0]!;
  expect((await request("GET", `${await stack.url("catalog")}/products/${id}`)).status).toBe(200);
  // A second start does not try again.
  await restart("catalog");
  expect(await logProblem("catalog")).toBe(problem as string);

  expect(await resyncAll()).toMatchObject({ equal: true, cleared: { catalog: problem } });
  await eventually(async () => (await logProblem("catalog")) === null, { timeoutMs: 10_000, what: "its end" });
  await untilInStep(stack, 10_000);
  expect(await idsOf(databases.catalog)).not.toContain(deleted!.id);
  expect([...rows.lost]).toEqual([]);
}, 180_000);

test("P10: every topic is deleted under load, one after the other, and one verb brings all in step", async () => {
  await using catalog = watchRows("catalog");
  await using storefront = watchRows("storefront");
  // Every product stays active: a product that leaves the storefront's filter is removed there, and is no loss.
  const bodies = { created: () => newProduct({ status: "active" }), changed: () => ({ stock: 1 }) };
  const writers = new Writers(await stack.url("gateway"), 20, bodies).start();
  for (const topic of TOPICS) {
    const before = writers.acks;
    await deleteTopic(topic);
    await eventually(() => writers.acks > before + 20, { timeoutMs: 30_000, what: `writes without ${topic}` });
  }
  await writers.stop();
  expect(await resyncAll()).toMatchObject({ equal: true });
  await untilInStep(stack, 30_000);
  expect(await findLostWrites(stack, writers)).toEqual([]);
  expect([...catalog.lost, ...storefront.lost]).toEqual([]);
  for (const name of REPLICAS)
    await eventually(async () => (await logProblem(name)) === null, { timeoutMs: 10_000, what: `${name} to be whole` });
}, 300_000);

test("P10: after the brokers' disk is emptied, or put back from an older copy, one verb brings all in step", async () => {
  const disk = join(stack.data, "broker-1");
  const copy = `${stack.data}/older-copy`;
  // A suspended broker changes no file: the copy is what a power failure leaves on the disk.
  await stack.kill("broker", "SIGSTOP");
  cpSync(disk, copy, { recursive: true, preserveTimestamps: true });
  await stack.kill("broker", "SIGCONT");
  await insert(50);
  await source`delete from products where id in (select id from products limit 10)`;
  await untilInStep(stack, 60_000);
  for (const damage of ["older copy", "empty"] as const) {
    const before = { catalog: await idsOf(databases.catalog), storefront: await idsOf(databases.storefront) };
    await stack.down();
    rmSync(disk, { recursive: true });
    if (damage === "older copy") cpSync(copy, disk, { recursive: true, preserveTimestamps: true });
    await stack.up();
    for (const name of REPLICAS) {
      await eventually(async () => typeof (await logProblem(name)) === "string", {
        timeoutMs: 30_000,
        what: `${name} to report log-incomplete (${damage})`,
      });
      const after = await idsOf(databases[name]);
      expect([...before[name]].filter((id) => !after.has(id))).toEqual([]);
    }
    expect(await resyncAll()).toMatchObject({ equal: true });
    await untilInStep(stack, 30_000);
  }
}, 400_000);
