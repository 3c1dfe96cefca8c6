/** Capture is installed without long locks, and can be removed without a trace; databases of earlier releases migrate. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { createLogger } from "../observability/logger.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import { CapturedDatabase, rejection } from "../tests/harness/captured-database.ts";
import { freshDatabase } from "../tests/harness/servers.ts";
import { project } from "../tests/project/index.ts";
import { sourceMigrations } from "./migrations/index.ts";

let db: CapturedDatabase;
let sql: Sql;
beforeAll(async () => {
  db = await CapturedDatabase.open();
  sql = db.sql;
}, 60_000);
afterAll(() => db?.[Symbol.asyncDispose]());

/** What the catalog has of Lockstep outside of its schema, and of an entity inside. */
const traces = async (table: string, entity: string) => {
  const [row] = await sql`select
    (select count(*)::int from pg_trigger t join pg_class c on c.oid = t.tgrelid where c.relname = ${table} and not tgisinternal) as triggers,
    (select count(*)::int from pg_proc where proname like ${`%:${entity}`}) as functions,
    (select count(*)::int from lockstep.row_versions where entity = ${entity}) as versions,
    (select count(*)::int from lockstep.outbox where entity = ${entity}) as outbox,
    (select count(*)::int from lockstep.captured where entity = ${entity}) as captured`;
  return row;
};

test("uncapture removes every trace of one entity, and leaves its table and the others", async () => {
  await sql.unsafe(`create table a (id int primary key); create table b (id int primary key);
    select lockstep.capture('a', 'a', '{}'), lockstep.capture('b', 'b', '{}'); insert into a values (1); insert into b values (1)`);
  await sql`select lockstep.uncapture('a')`;
  expect(await traces("a", "a")).toEqual({ triggers: 0, functions: 0, versions: 0, outbox: 0, captured: 0 });
  expect(await traces("b", "b")).toMatchObject({ versions: 1, outbox: 1, captured: 1 });
  expect(await sql`select from a`).toHaveLength(1);
  await sql`select lockstep.uncapture('unknown')`;
});

test("a captured table can be dropped, and its types and columns too", async () => {
  await sql.unsafe(`create type size as enum ('s'); create table c (id int primary key, size size);
    select lockstep.capture('c', 'c', '{}'); insert into c values (1, 's'); alter table c drop size; drop type size; drop table c`);
  expect((await sql`select problem from lockstep.capture_problems() where entity = 'c'`)[0]!.problem).toContain(
    "the captured table is dropped",
  );
  await sql`select lockstep.uncapture('c')`;
  expect(await sql`select from lockstep.capture_problems()`).toHaveLength(0);
});

test("capture gives up after the caller's lock_timeout, and repeating it on a whole capture takes no lock", async () => {
  await sql.unsafe("create table d (id int primary key)");
  const [writer, installer] = [db.session(), db.session()];
  await writer.unsafe("begin; insert into d values (1)");
  await installer`set lock_timeout = '100ms'`;
  const install = () => rejection(installer`select lockstep.capture('d', 'd', '{}')`);
  const started = performance.now();
  expect(await install()).toContain("lock timeout");
  expect(performance.now() - started).toBeLessThan(2_000);
  await writer`commit`;
  expect(await install()).toBe("accepted");
  expect((await installer`show lock_timeout`)[0]).toEqual({ lock_timeout: "100ms" });
  await writer.unsafe("begin; insert into d values (2)");
  expect(await install()).toBe("accepted");
  await writer`commit`;
});

test("options that would break the order of versions are refused", async () => {
  await sql.unsafe(
    "create table e (id int primary key, k int not null unique, v bigint); select lockstep.capture('e', 'e', '{}')",
  );
  for (const options of [{ version: "v" }, { key: ["k"] }])
    expect(await rejection(db.capture("e", "e", options))).toContain(
      "is captured as e with another key, or with its versions in another place",
    );
});

test("uninstall leaves the captured tables and nothing else", async () => {
  const other = await CapturedDatabase.open();
  await other.sql.unsafe(
    "create table a (id int primary key); select lockstep.capture('a', 'a', '{}'); insert into a values (1)",
  );
  await other.sql`select lockstep.uninstall()`;
  const left = await other.sql<{ name: string }[]>`
    select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
    union all select tgname from pg_trigger where not tgisinternal
    union all select nspname from pg_namespace where nspname = 'lockstep'`;
  await other.sql`insert into a values (2)`;
  await other[Symbol.asyncDispose]();
  expect(left.map(({ name }) => name)).toEqual(["a"]);
});

test("a database of an earlier release migrates, and its products go on with their versions", async () => {
  const url = await freshDatabase();
  const all = sourceMigrations(project);
  const isNew = ({ name }: { name: string }) => name > "0014-z" && name.startsWith("00");
  const own = all.filter(({ name }) => project.migrations.source.every((migration) => migration.name !== name));
  const released = [...own.slice(0, 1), ...project.migrations.source, ...own.slice(1)].filter(
    (migration) => !isNew(migration),
  );
  const logger = createLogger("test", "1", "silent");
  await migrate(url, released, logger);
  const old = postgres(url, { max: 1, onnotice: () => {}, connection: { search_path: "public" } });
  const [row] = await old`insert into products (sku, name, price) values ('cup', 'Cup', 1) returning id`;
  const [gone] = await old`insert into products (sku, name, price) values ('mug', 'Mug', 1) returning id`;
  await old`delete from products where sku = 'mug'`;
  await migrate(url, all, logger);
  expect(await old`select from lockstep.capture_problems()`).toHaveLength(0);
  await old`update products set stock = 1 where id = ${row!.id}`;
  await old`insert into products (id, sku, name, price) values (${gone!.id}, 'mug', 'Mug', 1)`;
  const versions = await old`select id, version::int, operation from lockstep.outbox order by seq`;
  await old.end();
  expect([...versions]).toEqual([
    { id: row!.id, version: 1, operation: "upserted" },
    { id: gone!.id, version: 1, operation: "upserted" },
    { id: gone!.id, version: 2, operation: "deleted" },
    { id: row!.id, version: 2, operation: "upserted" },
    { id: gone!.id, version: 3, operation: "upserted" },
  ]);
});
