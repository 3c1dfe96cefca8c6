/**
 * P10: a rebuild from the log beside the live tables is killed several times, resumes, and ends equal to the source.
 */
import { expect, test } from "bun:test";
import postgres from "postgres";
import type { Difference } from "../../operations/verify/difference.ts";
import { eventually } from "../harness/eventually.ts";
import { Reader, Writers } from "../harness/load.ts";
import { runLockstep, startLockstep } from "../harness/run-lockstep.ts";
import { sharedStack } from "../harness/shared-stack.ts";
import { untilInStep } from "../harness/stack-checker.ts";

/** The figures in the documentation use 200,000. */
const ROWS = Number(process.env.TEST_ROWS ?? 20_000);
const KILLS = 3;

test("P10: a rebuild that is killed three times resumes and ends equal, while the replica serves reads", async () => {
  const stack = await sharedStack();
  const source = postgres(await stack.url("gateway-db"), { max: 1, onnotice: () => {} });
  const catalog = postgres(await stack.url("catalog-db"), { max: 1, onnotice: () => {} });
  for (let made = 0; made < ROWS; made += 1_000)
    await source`insert into products (sku, name, price, status) select gen_random_uuid(), 'Cup', 1.50, 'active' from generate_series(1, 1000)`;
  await source`delete from products where id in (select id from products limit 500)`;
  await untilInStep(stack, 300_000);
  // A rebuild is for rows that were damaged by hand: no later event repairs them.
  await catalog`update products set name = 'damaged' where id in (select id from products limit 100)`;
  await catalog`delete from products where id in (select id from products order by id desc limit 100)`;

  const writers = new Writers(await stack.url("gateway"), 50).start();
  const reader = new Reader("catalog", await stack.url("catalog"), () => writers.ids());
  const appliedRecords = async () =>
    Number(
      (
        await catalog`select coalesce(sum(next_offset), 0) as applied from lockstep_next.positions`.catch(() => [
          { applied: 0 },
        ])
      )[0]!.applied,
    );
  for (let kill = 1; kill <= KILLS; kill++) {
    const before = await appliedRecords();
    const child = startLockstep(stack, "rebuild", "catalog");
    await eventually(async () => (await appliedRecords()) >= before + ROWS / 8, {
      timeoutMs: 60_000,
      what: "the rebuild to progress",
      everyMs: 5,
    });
    child.kill("SIGKILL");
    await child.exited;
  }
  const resumedFrom = await appliedRecords();
  // A change that the log does not have: the new tables differ from the source and must not replace the live ones.
  const [uncaptured] = await source<{ id: string }[]>`select id from products order by id offset 1000 limit 1`;
  await source.unsafe(`begin; alter table products disable trigger all;
    update products set name = 'not captured' where id = '${uncaptured!.id}';
    select lockstep.capture('products', 'product'); commit`);
  const aborted = await runLockstep(stack, "rebuild", "catalog", "--json");
  const { equal: abortedEqual, verified } = aborted.document as {
    equal: boolean;
    verified: { differences: Pick<Difference, "id" | "kind" | "fields">[] }[];
  };
  expect([aborted.status, abortedEqual]).toEqual([1, false]);
  expect(verified.flatMap(({ differences }) => differences)).toMatchObject([
    { id: uncaptured!.id, kind: "altered", fields: ["name"] },
  ]);
  const damaged = await catalog`select from products where name = 'damaged'`;
  expect(damaged.length).toBeGreaterThan(0);
  const rebuilt = await runLockstep(stack, "rebuild", "catalog", "--repair", "--json");
  expect(rebuilt.status).toBe(0);
  expect((await catalog`select name from products where id = ${uncaptured!.id}`)[0]?.name).toBe("not captured");
  const { rebuilt: result, equal } = rebuilt.document as {
    rebuilt: { resumedAt: number; records: number; seconds: number };
    equal: boolean;
  };
  expect(equal).toBe(true);
  expect(result.resumedAt).toBeGreaterThanOrEqual(resumedFrom);
  await writers.stop();
  await reader.stop();
  await untilInStep(stack, 60_000);
  expect(reader.violations).toEqual([]);
  expect(reader.unanswered).toBe(0);
  expect(reader.reads).toBeGreaterThan(100);

  // Another rebuild is rejected until the old tables are dropped, and names the flag for that.
  const rejected = await runLockstep(stack, "rebuild", "catalog");
  expect([rejected.status, rejected.stderr.trim().split("\n").length]).toEqual([1, 1]);
  expect(rejected.stderr).toContain("--drop-old");
  expect((await runLockstep(stack, "rebuild", "catalog", "--drop-old")).status).toBe(0);
  const complete = await runLockstep(stack, "rebuild", "catalog", "--json");
  const second = complete.document?.rebuilt as { records: number; rows: number; seconds: number; resumedAt: number };
  expect([complete.status, second.resumedAt]).toEqual([0, 0]);
  const indexes = await catalog<
    { name: string }[]
  >`select indexname as name from pg_indexes where tablename = 'products' and schemaname = 'public' order by 1`;
  expect(indexes.map(({ name }) => name)).toEqual(["products_pkey", "products_sku"]);
  console.log(
    `${second.records} records, ${second.rows} rows in ${second.seconds.toFixed(1)} s: ${Math.round(second.records / second.seconds)} records/s`,
  );
  await Promise.all([source.end(), catalog.end()]);
}, 900_000);
