/** Versions beside the table: nothing is added to it or set in it, and the newest version always has the newest state. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Sql } from "postgres";
import { CapturedDatabase, rejection } from "../tests/harness/captured-database.ts";
import { eventually } from "../tests/harness/eventually.ts";

let db: CapturedDatabase;
let sql: Sql;
beforeAll(async () => {
  db = await CapturedDatabase.open();
  sql = db.sql;
  await sql.unsafe(`create table film (id int primary key, title text, version text default 'v1',
    created_at timestamptz default '2001-01-01', updated_at date)`);
  await sql`insert into film values (100, 'Old', 'mine', '1999-01-01'), (101, 'Older', null, null)`;
  await db.capture("film", "film");
}, 60_000);
afterAll(() => db?.[Symbol.asyncDispose]());

let lastId = 0;
const insert = async (by = sql, id = ++lastId) => {
  await by`insert into film (id, title) values (${id}, 'Up')`;
  return id;
};
const waiting = (table: string) =>
  eventually(async () => (await sql`select from pg_locks where not granted`).length > 0, {
    timeoutMs: 10_000,
    what: `a writer of ${table} to wait`,
  });

test("an adopted table keeps its own version and times, and a row from before has version 1", async () => {
  expect([
    ...(await sql`select id, version::int, data ->> 'version' as own from lockstep.states('film', '{100,999}') order by id`),
  ]).toEqual([
    { id: "100", version: 1, own: "mine" },
    { id: "999", version: null, own: null },
  ]);
  await sql`update film set title = 'New' where id = 100`;
  const [row] = await db.take("film");
  expect([row!.version, row!.data!.version, row!.data!.created_at]).toEqual([2, "mine", "1999-01-01T00:00:00+00:00"]);
  await sql`delete from film where id = 101`;
  expect(await db.changes("film")).toEqual(["101 2 deleted"]);
});

describe("each change is captured once, with the next version", () => {
  test("INSERT, UPDATE, DELETE, and an insert after the delete", async () => {
    const id = await insert();
    await sql`update film set title = 'Mug' where id = ${id}`;
    await sql`delete from film where id = ${id}`;
    await insert(sql, id);
    expect(await db.changes("film")).toEqual([
      `${id} 1 upserted`,
      `${id} 2 upserted`,
      `${id} 3 deleted`,
      `${id} 4 upserted`,
    ]);
  });

  test("ON CONFLICT, MERGE, COPY, several parts of one statement, and a delete and insert in one statement", async () => {
    const [a, b, c] = [await insert(), await insert(), ++lastId];
    await db.take("film");
    await sql`insert into film (id, title) values (${a}, 'x'), (${c}, 'y') on conflict (id) do update set title = 'z'`;
    await sql`insert into film (id) values (${a}) on conflict do nothing`;
    expect((await db.changes("film")).toSorted()).toEqual([`${a} 2 upserted`, `${c} 1 upserted`]);
    await sql`merge into film f using (values (${a}::int), (${b}::int), (1000)) v (id) on f.id = v.id
      when matched and f.id = ${b} then delete when matched then update set title = 'm' when not matched then insert (id) values (v.id)`;
    expect((await db.changes("film")).toSorted()).toEqual(["1000 1 upserted", `${a} 3 upserted`, `${b} 2 deleted`]);
    const copy = await sql`copy film (id) from stdin`.writable();
    await new Promise<void>((resolve, reject) => {
      copy.on("finish", resolve).on("error", reject);
      copy.end("2000\n2001\n");
    });
    expect(await db.changes("film")).toEqual(["2000 1 upserted", "2001 1 upserted"]);
    await sql`with one as (delete from film where id = 2000) update film set title = 'w' where id = 2001`;
    expect((await db.changes("film")).toSorted()).toEqual(["2000 2 deleted", "2001 2 upserted"]);
    await sql`with gone as (delete from film where id = 2001 returning *) insert into film select id, 'again' from gone`;
    const last = (await db.take("film")).at(-1)!;
    expect([last.version, last.operation, last.data!.title]).toEqual([4, "upserted", "again"]);
  });

  test("the newest version has the newest state also when a trigger of the owner changes the row again", async () => {
    await sql.unsafe(`create function shout() returns trigger language plpgsql as $$ begin
        if new.title <> upper(new.title) then update film set title = upper(title) where id = new.id; end if; return null; end $$;
      create trigger a_shout after insert or update on film for each row execute function shout()`);
    await sql`insert into film (id, title) values (3000, 'quiet')`;
    const rows = await db.take("film");
    await sql`drop trigger a_shout on film`;
    expect(rows.map(({ version, data }) => [version, data!.title])).toEqual([
      [rows[0]!.version, "QUIET"],
      [rows[0]!.version + 1, "QUIET"],
    ]);
  });

  test.each(["replica", "local"])("session_replication_role = %s", async (role) => {
    const id = ++lastId;
    await sql.unsafe(`set session_replication_role = ${role}`);
    await insert(sql, id);
    await sql`update film set id = ${id + 5000} where id = ${id}`;
    await sql`delete from film where id = ${id + 5000}`;
    await sql`set session_replication_role = origin`;
    expect((await db.changes("film")).toSorted()).toEqual([
      ...[`${id} 1 upserted`, `${id} 2 deleted`, `${id + 5000} 2 upserted`, `${id + 5000} 3 deleted`].toSorted(),
    ]);
  });

  test("savepoints: what is rolled back leaves nothing", async () => {
    const id = await insert();
    await db.take("film");
    await sql.unsafe(
      `begin; savepoint s; delete from film where id = ${id}; rollback to s; update film set title = 's' where id = ${id}; commit`,
    );
    expect(await db.changes("film")).toEqual([`${id} 2 upserted`]);
  });
});

describe("concurrency", () => {
  test("an insert that waited for a delete of its id gets the version after it", async () => {
    const id = await insert();
    await db.take("film");
    const [deleter, inserter] = [db.session(), db.session()];
    await deleter.unsafe(`begin; delete from film where id = ${id}`);
    const inserted = insert(inserter, id);
    await waiting("film");
    await deleter`commit`;
    await inserted;
    expect(await db.changes("film")).toEqual([`${id} 2 deleted`, `${id} 3 upserted`]);
  });

  test("repeatable read: an insert that cannot see the delete fails with 40001", async () => {
    const id = await insert();
    const other = db.session();
    await other.unsafe("begin isolation level repeatable read; select from film");
    await sql`delete from film where id = ${id}`;
    const code = await insert(other, id).catch((error) => error.code);
    await other`rollback`;
    expect(code).toBe("40001");
  });

  test("many writers of few rows: each version is there once, and the last has the final state", async () => {
    const ids = [await insert(), await insert(), await insert()];
    await db.take("film");
    const writers = Array.from({ length: 6 }, () => db.session());
    await Promise.all(
      writers.map(async (by, w) => {
        for (let i = 0; i < 40; i++) {
          const id = ids[(w + i) % 3]!;
          if (i % 5 === 4) {
            await by`delete from film where id = ${id}`;
            await by`insert into film (id, title) values (${id}, '0') on conflict do nothing`;
          } else await by`update film set title = ${`${w}/${i}`} where id = ${id}`;
        }
      }),
    );
    const rows = await db.take("film");
    for (const id of ids) {
      const own = rows.filter((row) => row.id === String(id));
      expect(own.map(({ version }) => version)).toEqual(own.map((_, i) => i + 2));
      const [present] = await sql`select title from film where id = ${id}`;
      expect(own.at(-1)!.data?.title).toEqual(present?.title);
    }
  }, 60_000);
});

test("a plan that was made for a large statement serves small ones, and the reverse", async () => {
  await sql.unsafe("create table many (id int primary key, n int); select lockstep.capture('many', 'many', '{}')");
  const by = db.session();
  await by`insert into many select n, 0 from generate_series(1, 50000) n`;
  await by`update many set n = 1`;
  const started = performance.now();
  for (let i = 0; i < 200; i++) await by`update many set n = n + 1 where id = ${i + 1}`;
  await by`update many set n = n + 1`;
  await by`delete from many`;
  expect(performance.now() - started).toBeLessThan(30_000);
  expect(
    await sql`select version::int, count(*)::int from lockstep.row_versions where entity = 'many' group by 1 order by 1`,
  ).toMatchObject([
    { version: 4, count: 49_800 },
    { version: 5, count: 200 },
  ]);
  await sql`select lockstep.uncapture('many')`;
}, 120_000);

describe("TRUNCATE", () => {
  test("is refused, or is a delete of each row, as declared", async () => {
    await sql.unsafe(
      "create table t (id int primary key); select lockstep.capture('t', 't', '{}'); insert into t values (1), (2)",
    );
    await db.take("t");
    expect(await rejection(sql`truncate t`)).toContain("TRUNCATE of t is refused");
    await db.capture("t", "t", { truncate: "delete" });
    await sql.unsafe("begin isolation level repeatable read");
    expect(await rejection(sql`truncate t`)).toContain("in a transaction with one snapshot");
    await sql`rollback`;
    await sql`truncate t`;
    expect(await db.changes("t")).toEqual(["1 2 deleted", "2 2 deleted"]);
  });

  test("of a partition and of the whole table", async () => {
    await sql.unsafe(`create table w (id int primary key) partition by range (id); create table w1 partition of w for values from (0) to (10);
      create table w2 partition of w default; select lockstep.capture('w', 'w', '{"truncate": "delete"}'); insert into w values (1), (20)`);
    await db.take("w");
    await sql`truncate w1`;
    expect(await db.changes("w")).toEqual(["1 2 deleted"]);
    await sql`truncate w`;
    expect(await db.changes("w")).toEqual(["20 2 deleted"]);
  });
});

describe("resend, overtake and backfill", () => {
  test("send the present state, a delete for an unknown id, and go above a replica's version", async () => {
    const id = await insert();
    await db.take("film");
    await sql`select lockstep.resend('film', ${[String(id), "77777"]}, ${[1, 9]}::bigint[])`;
    expect((await db.changes("film")).toSorted()).toEqual([`${id} 1 upserted`, "77777 9 deleted"].toSorted());
    await insert(sql, 77_777);
    expect(await db.changes("film")).toEqual(["77777 10 upserted"]);
    expect(await sql`select lockstep.overtake('film', ${[String(id), "77777"]}, ${[20, 5]}::bigint[])`).toMatchObject([
      { overtake: "1" },
    ]);
    expect(await db.changes("film")).toEqual([`${id} 21 upserted`]);
  });

  test("a resend of an id waits for its insert in progress, and sends the row", async () => {
    const writer = db.session();
    await writer.unsafe("begin; insert into film (id) values (88888)");
    const resent = sql`select lockstep.resend('film', '{88888}', '{7}')`.execute();
    await eventually(async () => (await writer`select from pg_locks where not granted`).length > 0, {
      timeoutMs: 10_000,
      what: "the resend to wait",
    });
    await writer`commit`;
    await resent;
    expect(await db.changes("film")).toEqual(["88888 1 upserted", "88888 7 upserted"]);
  });
});

describe("for the gateway", () => {
  test("next_version says what the capture of the statement gives, and require_capture refuses without triggers", async () => {
    const id = ++lastId;
    const relation = "film";
    const given =
      await sql`with checked as materialized (select lockstep.require_capture('film', ${relation}::text::regclass))
      insert into film (id) select ${id}::int from checked returning lockstep.next_version('film', id::text, true)::int as version`;
    const changed =
      await sql`update film set title = 'n' where id = ${id} returning lockstep.next_version('film', id::text)::int as version`;
    const removed =
      await sql`delete from film where id = ${id} returning lockstep.next_version('film', id::text)::int as version`;
    expect([given[0]!.version, changed[0]!.version, removed[0]!.version]).toEqual([1, 2, 3]);
    expect((await db.take("film")).map(({ version }) => version)).toEqual([1, 2, 3]);
    await sql`alter table film disable trigger lockstep_updated`;
    expect(await rejection(sql`select lockstep.require_capture('film', 'film'::regclass)`)).toContain(
      "changes of public.film are not captured",
    );
    await sql`select lockstep.capture('film', 'film')`;
    expect(await rejection(sql`select lockstep.require_capture('film', 'film'::regclass)`)).toBe("accepted");
  });
});
