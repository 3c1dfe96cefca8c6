/** Backfill of a real source. There is no relay: each test empties the outbox itself. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import postgres, { type Sql } from "postgres";
import { sourceMigrations } from "../../gateway/migrations/index.ts";
import { migrate } from "../../platform/postgres/migrate.ts";
import { eventually } from "../../tests/harness/eventually.ts";
import { entity, silentLogger } from "../../tests/harness/replica.ts";
import { brokerAddress, freshDatabase } from "../../tests/harness/servers.ts";
import { VerifyFixture } from "../../tests/harness/verify-fixture.ts";
import { configFile, project } from "../../tests/project/index.ts";
import { type BackfillResult, backfill, stepRows } from "./backfill.ts";
import { backfillMissing } from "./backfill-missing.ts";

let world: VerifyFixture;
beforeAll(async () => {
  world = await VerifyFixture.start();
}, 120_000);
afterAll(() => world[Symbol.asyncDispose]());

/** A source whose rows have no event. */
async function sourceWithoutEvents(rows: number): Promise<{ url: string; sql: Sql }> {
  const url = await freshDatabase();
  await migrate(url, sourceMigrations(project), silentLogger);
  const sql = postgres(url, { max: 4, onnotice: () => {} });
  await sql`insert into products (sku, name, price)
    select gen_random_uuid(), 'Cup', 1 from generate_series(1, ${rows})`;
  await sql`delete from lockstep.outbox`;
  return { url, sql };
}

/** Deletes what is in the outbox and keeps the ids, as the relay would, until `stop`. */
class OutboxReader {
  readonly ids: string[] = [];
  private isRunning = true;
  private readonly ended: Promise<void>;

  constructor(sql: Sql) {
    this.ended = (async () => {
      while (this.isRunning) {
        const rows = await sql<{ id: string; seq: string }[]>`delete from lockstep.outbox returning id, seq`;
        this.ids.push(...rows.toSorted((a, b) => Number(a.seq) - Number(b.seq)).map(({ id }) => id));
        await Bun.sleep(2);
      }
    })();
  }

  async stop(sql: Sql): Promise<readonly string[]> {
    await eventually(async () => (await sql`select from lockstep.outbox limit 1`).length === 0, {
      timeoutMs: 10_000,
      what: "the outbox to be empty",
    });
    this.isRunning = false;
    await this.ended;
    return this.ids;
  }
}

const idsOf = async (sql: Sql) =>
  (await sql<{ id: string }[]>`select id from products order by id`).map(({ id }) => id);
const root = join(import.meta.dir, "../..");
const run = async (url: string, ...args: string[]) =>
  Bun.spawn([process.execPath, "lockstep.ts", "backfill", "--json", ...args], {
    cwd: root,
    env: {
      ...process.env,
      LOCKSTEP_CONFIG: configFile,
      LOCKSTEP_SOURCE_DATABASE_URL: url,
      KAFKA_BROKERS: await brokerAddress(),
    },
    stdout: "pipe",
    stderr: "pipe",
  });
const options = {
  from: undefined,
  backpressure: { wait: async () => {} },
  signal: new AbortController().signal,
  onProgress: () => {},
};

test("a backfill that was killed continues where it was, and sends every row once and in order", async () => {
  const { url, sql } = await sourceWithoutEvents(5_000);
  const reader = new OutboxReader(sql);
  const first = await run(url, "--rate", "5000");
  await eventually(() => reader.ids.length > 1_000, { timeoutMs: 30_000, what: "1,000 rows to be sent" });
  first.kill("SIGKILL");
  await first.exited;
  const second = await run(url);
  const output = new Response(second.stdout).json() as Promise<{ finished: boolean; backfills: BackfillResult[] }>;
  const [document, status] = await Promise.all([output, second.exited]);
  expect([status, document.finished]).toEqual([0, true]);
  const [result] = document.backfills;
  expect(result).toMatchObject({ entity: "product", sent: 5_000 });
  expect(result!.earlier).toBeGreaterThan(1_000);
  expect(result!.earlier).toBeLessThan(5_000);
  expect(await reader.stop(sql)).toEqual(await idsOf(sql));
  await sql.end();
}, 60_000);

test("two concurrent backfills share the work, a finished one starts over, and one can start after an id", async () => {
  const { sql } = await sourceWithoutEvents(1_000);
  const reader = new OutboxReader(sql);
  const both = await Promise.all([1, 2].map(() => backfill(sql, entity, { ...options, rate: 1_000 })));
  for (const result of both) expect(result).toMatchObject({ sent: 1_000, finished: true });
  const ids = await idsOf(sql);
  expect(await reader.stop(sql)).toEqual(ids);

  const secondReader = new OutboxReader(sql);
  expect(await backfill(sql, entity, { ...options, rate: 5_000 })).toMatchObject({ sent: 1_000, earlier: 0 });
  expect(await backfill(sql, entity, { ...options, rate: 5_000, from: ids[989]! })).toMatchObject({ sent: 10 });
  expect(await secondReader.stop(sql)).toEqual([...ids, ...ids.slice(990)]);
  await sql.end();
}, 60_000);

test("a backfill waits while the outbox is not empty, so that clients' writes are not delayed", async () => {
  const { sql } = await sourceWithoutEvents(300);
  const rate = 1_000;
  await sql`select lockstep.send('product', array(select id::text from products limit ${stepRows(rate)}))`;
  const abort = new AbortController();
  const running = backfill(sql, entity, { ...options, rate, signal: abort.signal });
  await eventually(async () => (await sql`select from lockstep.backfills`).length === 1, {
    timeoutMs: 10_000,
    what: "the backfill to begin",
  });
  await Bun.sleep(200); // long enough for two steps without the wait
  expect(Number((await sql`select count(*) from lockstep.outbox`)[0]!.count)).toBe(stepRows(rate));
  const reader = new OutboxReader(sql);
  expect(await running).toMatchObject({ sent: 300, finished: true });
  await reader.stop(sql);
  await sql.end();
});

test("with --missing-only exactly the rows are sent that a replica does not have", async () => {
  await world.insert(2_500);
  await world.deliver();
  let missing: string[] = [];
  await world.changeWithoutTriggers(async () => {
    missing = await world.insert(7);
  });
  const deps = { source: world.source, replica: () => world.database.sql };
  expect(await backfillMissing(deps, entity, [world.catalog], { ...options, rate: 1_000 })).toEqual({
    rows: 2_507,
    sent: 7,
    finished: true,
  });
  const sent = await world.source`select id, resend from lockstep.outbox order by id`;
  expect(sent.map(({ id }) => id)).toEqual(missing.sort());
  // The stream may have routed these versions before: without the mark it would drop them as duplicates.
  expect(sent.every(({ resend }) => resend)).toBe(true);
  await world.deliver();
  expect(await world.differenceKinds()).toEqual(new Map());
}, 60_000);
