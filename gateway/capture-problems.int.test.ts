/** Capture is checked: each way to change a table without capture is named with its remedy, and the remedy ends it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { createLogger } from "../observability/logger.ts";
import { repairCapture } from "../operations/capture/repair-capture.ts";
import { captureProblemText, readCaptureProblems } from "../pipeline/capture-problems.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import { CaptureWatch } from "../relay/capture-watch.ts";
import { freshDatabase } from "../tests/harness/servers.ts";
import { project } from "../tests/project/index.ts";
import { sourceMigrations } from "./migrations/index.ts";

const logger = createLogger("test", "1", "silent");
let url: string;
let sql: Sql;

beforeAll(async () => {
  url = await freshDatabase();
  await migrate(url, sourceMigrations(project), logger);
  sql = postgres(url, { max: 1, onnotice: () => {} });
  await sql`set search_path to public`;
}, 60_000);
afterAll(() => sql?.end({ timeout: 1 }));

const problems = async () => (await readCaptureProblems(sql, project)).map(captureProblemText);
const BY_VERB = "run lockstep capture, then lockstep repair";

/** Runs a change of the schema and returns the problems after it. Everything is rolled back. */
async function problemsAfter(change: string, then?: () => Promise<void>): Promise<string[]> {
  await sql.unsafe(`begin; ${change}`);
  try {
    const found = await problems();
    await then?.();
    return found;
  } finally {
    await sql`rollback`;
  }
}

test("capture is whole after the migrations", async () => {
  expect(await problems()).toEqual([]);
});

describe("triggers", () => {
  const ALL =
    "lockstep_deleted, lockstep_inserted, lockstep_replicated, lockstep_truncated, lockstep_updated, ~lockstep_stamp";
  test.each([
    ["alter table products disable trigger all", `has disabled triggers: ${ALL}`],
    ["alter table products disable trigger lockstep_updated", "has disabled triggers: lockstep_updated"],
    ["drop trigger lockstep_deleted on products", "lacks the triggers lockstep_deleted"],
    [
      "alter table products enable replica trigger lockstep_inserted",
      "has triggers that do not fire for all writers: lockstep_inserted",
    ],
    [
      // What `pg_restore --data-only --disable-triggers` leaves.
      "alter table products disable trigger all; alter table products enable trigger all",
      "has triggers that do not fire for all writers: lockstep_replicated, lockstep_truncated, ~lockstep_stamp",
    ],
    [
      "create or replace trigger lockstep_updated after delete on products referencing old table as changed " +
        'for each statement execute function lockstep."updated:product"()',
      "has other triggers with the names lockstep_updated",
    ],
  ])("%s", async (change, problem) => {
    const found = await problemsAfter(change, async () => {
      expect(await repairCapture(sql, project)).toEqual({ repaired: ["product"], failed: [], problems: [] });
    });
    expect(found).toEqual([`public.products ${problem}: ${BY_VERB}`]);
  });

  test("one that runs after the stamp", async () => {
    const found = await problemsAfter(
      `create trigger "última" before update on products for each row execute function suppress_redundant_updates_trigger()`,
    );
    expect(found).toEqual([
      "public.products has the trigger última, which runs after ~lockstep_stamp and can change what that sets: " +
        'run alter trigger "última" on public.products rename to a name that is sorted before ~',
    ]);
  });
});

describe("tables", () => {
  const SWAP = `create table products_new (like products including all);
    alter table products rename to products_old; alter table products_new rename to products`;

  test("another table with the name of the captured one; the verb captures it, and the old one no more", async () => {
    const found = await problemsAfter(SWAP, async () => {
      expect(await repairCapture(sql, project)).toEqual({ repaired: ["product"], failed: [], problems: [] });
      await sql`delete from lockstep.outbox`;
      for (const table of ["products", "products_old"])
        await sql.unsafe(`insert into ${table} (sku, name, price) values ('${table}', 'Cup', 1)`);
      const captured = await sql`select data ->> 'sku' as sku from lockstep.outbox`;
      expect(captured.map(({ sku }) => sku)).toEqual(["products"]);
    });
    expect(found).toEqual([
      `public.products is another table now, and the captured table is public.products_old: ${BY_VERB}`,
    ]);
  });

  test.each([
    [
      "alter table products rename to goods",
      `public.products is not the name of a table any more, and the captured table is public.goods: ${BY_VERB}`,
    ],
    [
      "drop table products",
      `public.products is not the name of a table any more, and the captured table is dropped: ${BY_VERB}`,
    ],
    [
      "create schema other; create table other.products (like products); set local search_path to other, public",
      `public.products is not the table that the declared name means, other.products, and the captured table is public.products: ${BY_VERB}`,
    ],
    [
      "create table child () inherits (products)",
      "public.products has the child table public.child, whose changes are not captured: " +
        "run alter table public.child no inherit public.products",
    ],
    [
      "create table parent (like products); alter table products inherit parent",
      "public.products inherits from public.parent: changes by way of that table are not captured: " +
        "run alter table public.products no inherit public.parent",
    ],
    [
      "alter table products set unlogged",
      "public.products is unlogged: PostgreSQL empties it after a crash: run alter table public.products set logged",
    ],
    [
      "delete from lockstep.captured where entity = 'product'",
      "product is declared, and no table is captured as it: run select lockstep.capture(…) in a migration",
    ],
  ])("%s", async (change, problem) => {
    expect(await problemsAfter(change)).toContain(problem);
  });

  test("rows that row level security hides from Lockstep", async () => {
    const role = `owner_${crypto.randomUUID().slice(0, 8)}`;
    const found = await problemsAfter(`create role ${role}; grant usage on schema lockstep to ${role};
      grant select on all tables in schema lockstep to ${role}; grant execute on all functions in schema lockstep to ${role}; alter function lockstep.capture_problems(text[], regclass[]) owner to ${role};
      alter table products enable row level security, force row level security`);
    expect(found).toEqual([
      "public.products hides rows from Lockstep by row level security: run alter table public.products no force row level security",
    ]);
  });

  test("a table that inherits, is unlogged, foreign or a view is refused when capture is installed", async () => {
    const COLUMNS = "id uuid primary key, version bigint, created_at timestamptz, updated_at timestamptz";
    const refusal = async (schema: string) => {
      await sql.unsafe(`begin; ${schema}`);
      const error = await sql`select lockstep.capture('thing', 'thing')`.catch(({ message }) => message);
      await sql`rollback`;
      return error;
    };
    const thing = `create table thing (${COLUMNS})`;
    expect(await refusal(`${thing}; create table part () inherits (thing)`)).toContain(
      "has the child table public.part",
    );
    expect(await refusal(`create table whole (id uuid); ${thing.replace(")", ") ")} inherits (whole)`)).toContain(
      "inherits from public.whole",
    );
    expect(await refusal(thing.replace("create", "create unlogged"))).toContain("is unlogged");
    expect(await refusal("create table thing (id uuid primary key)")).toContain("without the columns");
  });
});

describe("partitions", () => {
  const COLUMNS =
    "id uuid primary key, version bigint default 1, n int, created_at timestamptz, updated_at timestamptz";
  const ID = "00000000-0000-4000-8000-000000000001";
  const changes = async () =>
    (await sql`select version::int, operation from lockstep.outbox where entity = 'part' order by seq`).map((row) => [
      row.version,
      row.operation,
    ]);

  test("changes of a partition are captured as those of its table, each once", async () => {
    await sql.unsafe(`begin; create table whole (${COLUMNS}) partition by hash (id);
      create table only_one partition of whole for values with (modulus 1, remainder 0)`);
    await sql`select lockstep.capture('whole', 'part')`;
    await sql`insert into only_one (id, n) values (${ID}, 1)`;
    await sql`update whole set n = 2`;
    await sql`update only_one set n = 3`;
    await sql`delete from only_one`;
    expect(await changes()).toEqual([
      [1, "upserted"],
      [2, "upserted"],
      [3, "upserted"],
      [4, "deleted"],
    ]);
    const truncated = await sql`truncate only_one`.catch(({ message }) => message);
    await sql`rollback`;
    expect(truncated).toContain("TRUNCATE of only_one is refused");
  });

  test("one that was attached or detached later is named, and both remedies end it", async () => {
    await sql.unsafe(`begin; create table whole (${COLUMNS}) partition by range (id);
      create table first partition of whole for values from (minvalue) to ('${ID}')`);
    await sql`select lockstep.capture('whole', 'part')`;
    await sql`create table second partition of whole for values from (${sql.unsafe(`'${ID}'`)}) to (maxvalue)`;
    const attached = await problems();
    await sql`select lockstep.capture('whole', 'part')`;
    const whole = await problems();
    await sql`alter table whole detach partition second`;
    const detached = await problems();
    await sql`select lockstep.release('public.second')`;
    const released = await problems();
    await sql`rollback`;
    expect(attached).toEqual([
      "public.second lacks the triggers lockstep_deleted, lockstep_inserted, lockstep_truncated, lockstep_updated: " +
        BY_VERB,
    ]);
    expect(detached).toEqual([
      "public.second has triggers of Lockstep, and is not captured: run select lockstep.release('public.second')",
    ]);
    expect([whole, released]).toEqual([[], []]);
  });
});

describe("repair", () => {
  const ID = crypto.randomUUID();
  const resend = () =>
    sql`select lockstep.resend('product', ${`{${ID}}`}::text[])`.then(
      () => "sent",
      ({ message }) => message,
    );

  test("sends no delete for an entity whose capture is incomplete, and nothing from a table that was replaced", async () => {
    await problemsAfter("alter table products disable trigger lockstep_inserted", async () => {
      expect(await resend()).toBe(
        "no delete of a product is sent while its capture is incomplete: " +
          "public.products has disabled triggers: lockstep_inserted",
      );
    });
    await problemsAfter(
      "create table products_new (like products); alter table products rename to old; alter table products_new rename to products",
      async () => expect(await resend()).toBe("public.products is not the table that is captured as product"),
    );
    await problemsAfter("select 1", async () => expect(await resend()).toBe("sent"));
  });
});

test("the relay's condition names the problem, ends with it, and says when capture cannot be checked", async () => {
  const watch = new CaptureWatch({ logger, project });
  const problemAfter = async (change: string) => {
    await sql.unsafe(change);
    await watch.refresh(sql);
    return watch.check.problem();
  };
  expect(await problemAfter("select 1")).toBeUndefined();
  expect(await problemAfter("alter table products disable trigger all")).toContain(
    "public.products has disabled triggers",
  );
  expect(await problemAfter("select lockstep.capture('products', 'product')")).toBeUndefined();
  await using closed = Object.assign(postgres(url, { max: 1 }), { [Symbol.asyncDispose]: async () => {} });
  await closed.end();
  await watch.refresh(closed);
  expect(watch.check.problem()).toContain("capture could not be checked: ");
});
