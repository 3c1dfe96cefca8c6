/** Backfill on a real source: nobody but the test takes what is in the outbox. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import postgres, { type Sql } from "postgres";
import { migrations } from "../../gateway/migrations/index.ts";
import { migrate } from "../../platform/postgres/migrate.ts";
import { eventually } from "../../tests/harness/eventually.ts";
import { brokerAddress, freshDatabase } from "../../tests/harness/parts.ts";
import { entity, silent } from "../../tests/harness/replica.ts";
import { VerifyWorld } from "../../tests/harness/verify-world.ts";
import { type BackfillResult, backfill, stepRows } from "./backfill.ts";
import { backfillMissing } from "./backfill-missing.ts";

let world: VerifyWorld;
beforeAll(async () => {
  world = await VerifyWorld.start();
}, 120_000);
afterAll(() => world[Symbol.asyncDispose]());

/** A source with rows that no event told of. */
async function untoldSource(rows: number): Promise<{ url: string; sql: Sql }> {
  const url = await freshDatabase();
  await migrate(url, migrations, silent);
  const sql = postgres(url, { max: 4, onnotice: () => {} });
  await sql`insert into products (sku, name, price) select gen_random_uuid(), 'Cup', 1 from generate_series(1, ${rows})`;
  await sql`delete from lockstep.outbox`;
  return { url, sql };
}

/** Takes what is in the outbox, as the relay would, until told to stop. */
class Taker {
  readonly taken: string[] = [];
  private going = true;
  private readonly done: Promise<void>;

  constructor(sql: Sql) {
    this.done = (async () => {
      while (this.going) {
        const rows = await sql<{ id: string; seq: string }[]>`delete from lockstep.outbox returning id, seq`;
        this.taken.push(...rows.toSorted((a, b) => Number(a.seq) - Number(b.seq)).map(({ id }) => id));
        await Bun.sleep(2);
      }
    })();
  }

  async stop(sql: Sql): Promise<readonly string[]> {
    await eventually(async () => (await sql`select from lockstep.outbox limit 1`).length === 0, {
      timeoutMs: 10_000,
      what: "all to be taken",
    });
    this.going = false;
    await this.done;
    return this.taken;
  }
}

const idsOf = async (sql: Sql) =>
  (await sql<{ id: string }[]>`select id from products order by id`).map(({ id }) => id);
const root = join(import.meta.dir, "../..");
const run = async (url: string, ...args: string[]) =>
  Bun.spawn([process.execPath, "lockstep.ts", "backfill", "--json", ...args], {
    cwd: root,
    env: { ...process.env, LOCKSTEP_SOURCE_DATABASE_URL: url, KAFKA_BROKERS: await brokerAddress() },
    stdout: "pipe",
    stderr: "pipe",
  });
const quiet = {
  from: undefined,
  backlog: { wait: async () => {} },
  signal: new AbortController().signal,
  onProgress: () => {},
};

test("a backfill that is killed goes on where it was: every row is sent once, in order", async () => {
  const { url, sql } = await untoldSource(5_000);
  const taker = new Taker(sql);
  const first = await run(url, "--rate", "5000");
  await eventually(() => taker.taken.length > 1_000, { timeoutMs: 30_000, what: "some to be sent" });
  first.kill("SIGKILL");
  await first.exited;
  const second = await run(url);
  const answer = new Response(second.stdout).json() as Promise<{ finished: boolean; backfills: BackfillResult[] }>;
  const [document, status] = await Promise.all([answer, second.exited]);
  expect([status, document.finished]).toEqual([0, true]);
  const [done] = document.backfills;
  expect(done).toMatchObject({ entity: "product", sent: 5_000 });
  expect(done!.earlier).toBeGreaterThan(1_000);
  expect(done!.earlier).toBeLessThan(5_000);
  expect(await taker.stop(sql)).toEqual(await idsOf(sql));
  await sql.end();
}, 60_000);

test("two at once share the work, one that is finished begins anew, and one may begin after an id", async () => {
  const { sql } = await untoldSource(1_000);
  const taker = new Taker(sql);
  const both = await Promise.all([1, 2].map(() => backfill(sql, entity, { ...quiet, rate: 1_000 })));
  for (const one of both) expect(one).toMatchObject({ sent: 1_000, finished: true });
  const ids = await idsOf(sql);
  expect(await taker.stop(sql)).toEqual(ids);

  const again = new Taker(sql);
  expect(await backfill(sql, entity, { ...quiet, rate: 5_000 })).toMatchObject({ sent: 1_000, earlier: 0 });
  expect(await backfill(sql, entity, { ...quiet, rate: 5_000, from: ids[989]! })).toMatchObject({ sent: 10 });
  expect(await again.stop(sql)).toEqual([...ids, ...ids.slice(990)]);
  await sql.end();
}, 60_000);

test("it waits while the outbox is not empty, so that live writes are not held up", async () => {
  const { sql } = await untoldSource(300);
  const rate = 1_000;
  await sql`select lockstep.send('product', array(select id from products limit ${stepRows(rate)}))`;
  const ending = new AbortController();
  const working = backfill(sql, entity, { ...quiet, rate, signal: ending.signal });
  await eventually(async () => (await sql`select from lockstep.backfills`).length === 1, {
    timeoutMs: 10_000,
    what: "it to begin",
  });
  await Bun.sleep(200); // long enough for two steps, if it did not wait
  expect(Number((await sql`select count(*) from lockstep.outbox`)[0]!.count)).toBe(stepRows(rate));
  const taker = new Taker(sql);
  expect(await working).toMatchObject({ sent: 300, finished: true });
  await taker.stop(sql);
  await sql.end();
});

test("with --missing-only just what a replica has not heard of is sent", async () => {
  await world.insert(2_500);
  await world.deliver();
  let untold: string[] = [];
  await world.untold(async () => {
    untold = await world.insert(7);
  });
  const deps = { source: world.source, replica: () => world.database.sql };
  expect(await backfillMissing(deps, entity, [world.catalog], { ...quiet, rate: 1_000 })).toEqual({
    rows: 2_507,
    sent: 7,
    finished: true,
  });
  expect((await world.source`select id from lockstep.outbox order by id`).map(({ id }) => id)).toEqual(untold.sort());
  await world.deliver();
  expect(await world.kinds()).toEqual(new Map());
}, 60_000);
