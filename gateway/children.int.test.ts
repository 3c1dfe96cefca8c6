/** A document with children: one version and one event for each transaction, with the state of its commit. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { Sql } from "postgres";
import { CapturedDatabase, rejection } from "../tests/harness/captured-database.ts";
import { eventually } from "../tests/harness/eventually.ts";

let db: CapturedDatabase;
let sql: Sql;
const LINES = { member: "lines", relation: "public.lines", key: ["line_no"], parentKey: ["order_id"] };
beforeAll(async () => {
  db = await CapturedDatabase.open();
  sql = db.sql;
}, 60_000);
afterAll(() => db?.[Symbol.asyncDispose]());

const lines = (data: Record<string, unknown> | null) =>
  data === null
    ? null
    : (data.lines as { line_no: number; sku: string }[]).map(({ line_no, sku }) => `${line_no}${sku}`).join(" ");
const documents = async () =>
  (await db.take("order")).map(({ id, version, data }) => `${id} ${version} ${lines(data) ?? "deleted"}`);

describe.each([
  ["beside", { children: [LINES] }],
  ["in a column", { version: "version", children: [LINES] }],
] as const)("versions %s", (_place, options) => {
  beforeAll(async () => {
    await sql.unsafe(`create table orders (id int primary key, total int default 0, version bigint not null default 1);
      create table lines (order_id int references orders on delete cascade on update cascade, line_no int, sku text, note json,
        primary key (order_id, line_no));
      insert into orders values (100); insert into lines values (100, 1, 'old')`);
    await db.capture("orders", "order", options);
  });
  afterAll(async () => void (await sql.unsafe("select lockstep.uncapture('order'); drop table lines, orders")));
  afterEach(async () => {
    expect(await sql`select from lockstep.touched`).toHaveLength(0);
  });

  test("a transaction of several statements is one event with the final state", async () => {
    await sql.unsafe(`begin; insert into orders values (1), (2); insert into lines values (1, 2, 'b'), (1, 1, 'a');
      update lines set sku = 'c' where sku = 'b'; update orders set total = 5 where id = 1; commit`);
    expect(await documents()).toEqual(["1 1 1a 2c", "2 1 "]);
  });

  test("parent and lines in one statement, with the version that the statement returned", async () => {
    await sql`with parent as (insert into orders values (3) returning id) insert into lines select id, n, 'x' from parent, generate_series(1, 2) n`;
    await sql`with parent as (update orders set total = 1 where id = 3 returning id), gone as (delete from lines where order_id = 3 and line_no = 1)
      insert into lines select id, 3, 'y' from parent`;
    expect(await documents()).toEqual(["3 1 1x 2x", "3 2 2x 3y"]);
  });

  test("a change of a line is a new version of its parent, also of one from before the capture; a moved line changes both", async () => {
    await sql`update lines set sku = 'new' where order_id = 100`;
    expect(await documents()).toEqual(["100 2 1new"]);
    await sql`update lines set order_id = 2 where order_id = 3 and line_no = 3`;
    expect(await documents()).toEqual(["2 2 3y", "3 3 2x"]);
    await sql`update lines set line_no = 9 where order_id = 2`;
    expect(await documents()).toEqual(["2 3 9y"]);
  });

  test("deletes and changes of the key cascade, and are one event for each id", async () => {
    await sql`delete from orders where id = 3`;
    expect(await documents()).toEqual(["3 4 deleted"]);
    await sql`update orders set id = 7 where id = 2`;
    const moved = await documents();
    expect(moved[0]).toBe("2 4 deleted");
    expect(moved[1]).toMatch(/^7 [12] 9y$/);
    await sql.unsafe("begin; delete from orders where id = 7; insert into orders values (7); commit");
    expect((await documents())[0]).toMatch(/^7 [23] ?$|^7 [23] $/);
  });

  test("a rolled back savepoint leaves nothing, and immediate constraints settle at once", async () => {
    await sql.unsafe("begin; savepoint s; insert into lines values (7, 1, 'gone'); rollback to s; commit");
    expect(await documents()).toEqual([]);
    await sql.unsafe(
      "begin; set constraints all immediate; insert into lines values (7, 1, 'i'); insert into lines values (7, 2, 'j'); commit",
    );
    expect((await documents()).map((text) => text.replace(/ \d+ /, " "))).toEqual(["7 1i", "7 1i 2j"]);
  });

  test("concurrent changes of lines of one order: the last version has all of them", async () => {
    const writers = Array.from({ length: 6 }, () => db.session());
    await Promise.all(
      writers.map(async (by, w) => {
        for (let i = 0; i < 10; i++) await by`insert into lines values (1, ${100 + w * 10 + i}, '')`;
      }),
    );
    const rows = await db.take("order");
    expect(rows).toHaveLength(60);
    expect(new Set(rows.map(({ version }) => version)).size).toBe(60);
    const last = rows.toSorted((a, b) => a.version - b.version).at(-1)!;
    expect((last.data!.lines as object[]).length).toBe(62);
  }, 30_000);

  test("session_replication_role = replica", async () => {
    await sql.unsafe(
      "set session_replication_role = replica; begin; insert into orders values (50); insert into lines values (50, 1, 'r'); commit; set session_replication_role = origin",
    );
    expect(await documents()).toEqual(["50 1 1r"]);
  });

  test("a renamed table goes on", async () => {
    await sql`alter table lines rename to order_lines`;
    await sql`update order_lines set sku = 'q' where order_id = 50`;
    await sql`alter table order_lines rename to lines`;
    expect(await documents()).toEqual(["50 2 1q"]);
  });

  test("TRUNCATE … CASCADE where declared", async () => {
    expect(await rejection(sql`truncate lines`)).toContain("TRUNCATE of lines is refused");
    await db.capture("orders", "order", { ...options, truncate: "delete" });
    const before = (await sql`select id from orders`).length;
    await sql`truncate lines`;
    expect((await documents()).every((text) => text.endsWith(" "))).toBe(true);
    await sql`truncate orders cascade`;
    const deleted = await documents();
    expect(deleted).toHaveLength(before);
    expect(deleted.every((text) => text.endsWith("deleted"))).toBe(true);
  });
});

test("versions beside: a line and its parent changed by two transactions in opposite order are no deadlock", async () => {
  await sql.unsafe(`create table o (id int primary key, n int default 0); create table l (o int references o, k int, n int, primary key (o, k));
    select lockstep.capture('o', 'o', '{"children": [{"member": "ls", "relation": "public.l", "key": ["k"], "parentKey": ["o"]}]}');
    insert into o values (1); insert into l values (1, 1), (1, 2)`);
  const [one, two] = [db.session(), db.session()];
  await one.unsafe("begin; update o set n = n + 1");
  await two.unsafe("begin; update l set n = 1 where k = 1");
  const blocked = one`update l set n = 2 where k = 1`.execute();
  await eventually(async () => (await sql`select from pg_locks where not granted`).length > 0, {
    timeoutMs: 10_000,
    what: "the first transaction to wait",
  });
  await two`commit`;
  await blocked;
  await one`commit`;
  const rows = await db.take("o");
  expect(rows.at(-1)!.data).toMatchObject({ n: 1, ls: [{ k: 1, n: 2 }, { k: 2 }] });
});

test("children are refused with the reason", async () => {
  await sql.unsafe("create table p (id int primary key, lines int); create table c (a int, p_id int, x text)");
  const child = { member: "cs", relation: "public.c", key: ["a"], parentKey: ["p_id"] };
  const refused = (options: object) => rejection(db.capture("p", "p", { children: [options] }));
  expect(await refused(child)).toContain("can be null");
  await sql`alter table c alter a set not null`;
  expect(await refused(child)).toContain("has no unique index within (p_id, a)");
  expect(await refused({ ...child, parentKey: ["x"] })).toContain("with other columns than its key");
  expect(await refused({ ...child, relation: "public.none" })).toContain("has a child public.none, which is no table");
  expect(await refused({ ...child, relation: "public.p" })).toContain("is its own child");
  await sql`create unique index on c (p_id, a)`;
  expect(await refused({ ...child, member: "lines" })).toContain("has a column with the name of its child lines");
  expect(await refused(child)).toBe("accepted");
});
