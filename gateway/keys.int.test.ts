/** Any key: one canonical text of it, and a change of the key is a delete and an insert in the same transaction. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CapturedDatabase, rejection } from "../tests/harness/captured-database.ts";

let db: CapturedDatabase;
beforeAll(async () => {
  db = await CapturedDatabase.open();
  await db.sql.unsafe(`create extension citext; create extension hstore; create schema "Odd Schema";
    create type mood as enum ('sad', 'so,so'); create domain sku as varchar(20) check (value <> 'x');
    create collation ignores_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`);
}, 60_000);
afterAll(() => db?.[Symbol.asyncDispose]());

describe("the canonical text of a key", () => {
  test.each([
    ["uuid", "'01890000-0000-7000-8000-00000000000A'", "01890000-0000-7000-8000-00000000000a"],
    ["smallint", "-7", "-7"],
    ["integer", "7", "7"],
    ["bigint", "9223372036854775807", "9223372036854775807"],
    ["text", "'50%, or ☕'", "50%25%2C or ☕"],
    ["text", "''", "%00"],
    ["text", "'%00'", "%2500"],
    ["varchar(20)", "' a '", " a "],
    ["sku", "'a,b'", "a%2Cb"],
    ["char(5)", "'ab'", "ab"],
    ["char(2)", "''", "%00"],
    ["citext", "'Ä,B'", "ä%2Cb"],
    ["boolean", "true", "true"],
    ["date", "'0044-03-15 BC'", "0044-03-15 BC"],
    ["time", "'04:05:06.70'", "04:05:06.7"],
    ["timestamp", "'2026-01-02 03:04:05.600'", "2026-01-02 03:04:05.6"],
    ["timestamptz", "'2026-01-02 03:04:05.678+05:45'", "2026-01-01 21:19:05.678+00"],
    ["timestamptz", "'infinity'", "infinity"],
    ["numeric", "1.500", "1.5"],
    ["numeric(6,3)", "10", "10"],
    ["mood", "'so,so'", "so%2Cso"],
    ["bytea", "'\\x00FF'", "\\x00ff"],
    ["inet", "'10.0.0.1'", "10.0.0.1/32"],
  ])("%s %s", async (type, value, text) => {
    await db.sql.unsafe(`create table keyed (k ${type} primary key, n int)`);
    await db.capture("keyed", "keyed");
    await db.sql.unsafe(`set timezone = 'Asia/Kathmandu'; set datestyle = 'SQL, DMY'; set bytea_output = escape`);
    await db.sql.unsafe(`insert into keyed values (${value}, 1); update keyed set n = 2`);
    await db.sql.unsafe("reset timezone; reset datestyle; reset bytea_output");
    const rows = await db.take("keyed");
    expect(rows.map(({ id, version }) => [id, version])).toEqual([
      [text, 1],
      [text, 2],
    ]);
    const states = await db.sql`select id, version::int, data ->> 'n' as n from lockstep.states('keyed', ${[text]})`;
    expect([...states]).toEqual([{ id: text, version: 2, n: "2" }]);
    expect(await db.sql`select lockstep.resend('keyed', ${[text]})`).toMatchObject([{ resend: "1" }]);
    await db.sql`delete from keyed`;
    expect((await db.changes("keyed")).slice(1)).toEqual([`${text} 3 deleted`]);
    await db.sql.unsafe("select lockstep.uncapture('keyed'); drop table keyed");
  });

  test("composite, with quoted names in another schema; pages are in the order of the key", async () => {
    await db.sql.unsafe(`create table "Odd Schema"."a ""b"" %" ("the,key" text, "id" int, "Old" mood, "new" text,
      primary key ("id", "Old", "the,key"))`);
    await db.capture('"Odd Schema"."a ""b"" %"', "odd");
    await db.sql.unsafe(
      `insert into "Odd Schema"."a ""b"" %" select n::text || ',', n / 3, 'so,so', 'x' from generate_series(1, 7) n`,
    );
    await db.sql.unsafe(`update "Odd Schema"."a ""b"" %" set new = 'y' where "id" = 2`);
    expect((await db.changes("odd")).slice(-2)).toEqual(["2,so%2Cso,6%2C 2 upserted", "2,so%2Cso,7%2C 2 upserted"]);
    const pages: string[] = [];
    for (let after: string | null = null; ; ) {
      const page: { id: string }[] = await db.sql<
        { id: string }[]
      >`select lockstep.next_ids('odd', ${after}::text, 3) as id`;
      pages.push(...page.map(({ id }) => id));
      if (page.length < 3) break;
      after = page.at(-1)!.id;
    }
    expect(pages.map((id) => id.split(",")[0])).toEqual(["0", "0", "1", "1", "1", "2", "2"]);
    expect(new Set(pages).size).toBe(7);
  });

  test("a backfill goes by the order of the key, not by that of its texts", async () => {
    await db.sql.unsafe(`create table numbered (id int primary key); insert into numbered select generate_series(8, 12);
      select lockstep.capture('numbered', 'numbered', '{}'); select lockstep.begin_backfill('numbered')`);
    for (let i = 0; i < 4; i++) await db.sql`select lockstep.backfill('numbered', 2)`;
    expect((await db.take("numbered")).map(({ id }) => id)).toEqual(["8", "9", "10", "11", "12"]);
  });

  test("pages of citext keys go by its own order", async () => {
    await db.sql.unsafe(
      "create table words (a citext, b int, primary key (a, b)); select lockstep.capture('words', 'word', '{}')",
    );
    await db.sql`insert into words values ('b', 1), ('A', 1), ('a', 2), ('C', 1)`;
    const read = async (after: string | null) =>
      (await db.sql<{ id: string }[]>`select lockstep.next_ids('word', ${after}::text, 9) as id`).map(({ id }) => id);
    expect(await read(null)).toEqual(["a,1", "a,2", "b,1", "c,1"]);
    expect(await read("a,2")).toEqual(["b,1", "c,1"]);
  });
});

describe("a change of the key", () => {
  for (const [place, options] of [
    ["beside", {}],
    ["in a column", { version: "version" }],
  ] as const) {
    test(`versions ${place}: deletes the old id and inserts the new one`, async () => {
      await db.sql.unsafe("create table moved (k citext primary key, n int, version bigint)");
      await db.capture("moved", "moved", options);
      await db.sql`insert into moved values ('a', 1)`;
      await db.sql`update moved set k = 'b'`;
      await db.sql`update moved set k = 'B'`; // the same key
      await db.sql`update moved set k = 'a'`;
      await db.sql`insert into moved values ('b', 2)`;
      const changes = await db.changes("moved");
      expect(changes.toSorted()).toEqual([
        "a 1 upserted",
        "a 2 deleted",
        "a 3 upserted",
        "b 1 upserted".replace("1", place === "beside" ? "2" : "1"),
        "b 2 upserted".replace("2", place === "beside" ? "3" : "2"),
        "b 3 deleted".replace("3", place === "beside" ? "4" : "3"),
        "b 4 upserted".replace("4", place === "beside" ? "5" : "4"),
      ]);
      await db.sql.unsafe("select lockstep.uncapture('moved'); drop table moved");
    });

    test(`versions ${place}: two rows swap their keys in one statement`, async () => {
      await db.sql.unsafe("create table swapped (k int primary key deferrable, n text, version bigint)");
      await db.capture("swapped", "swapped", options);
      await db.sql`insert into swapped values (1, 'one'), (2, 'two')`;
      for (let i = 0; i < 4; i++) await db.sql`update swapped set n = n || '!' where k = 1`;
      await db.take("swapped");
      await db.sql`update swapped set k = 3 - k`;
      const newest = new Map<string, { version: number; n: unknown }>();
      const versions: string[] = [];
      for (const { id, version, operation, data } of await db.take("swapped")) {
        versions.push(`${id} ${version}`);
        if (version > (newest.get(id)?.version ?? 5 - Number(id) * 4 + 4))
          newest.set(id, { version, n: operation === "deleted" ? null : data!.n });
      }
      expect([newest.get("1")?.n, newest.get("2")?.n]).toEqual(["two", "one!!!!"]);
      expect(new Set(versions).size).toBe(versions.length);
      await db.sql.unsafe("select lockstep.uncapture('swapped'); drop table swapped");
    });
  }

  test("that waits for a delete of the new key starts above its tombstone", async () => {
    await db.sql.unsafe("create table taken (k int primary key, n int, version bigint)");
    await db.capture("taken", "taken", { version: "version" });
    await db.sql`insert into taken values (1, 1), (2, 2)`;
    const [deleter, mover] = [db.session(), db.session()];
    await deleter.unsafe("begin; delete from taken where k = 2");
    const moved = rejection(mover`update taken set k = 2 where k = 1`);
    await Bun.sleep(300);
    await deleter`commit`;
    expect(await moved).toBe("accepted");
    expect((await db.changes("taken")).slice(-3)).toEqual(["2 2 deleted", "1 2 deleted", "2 3 upserted"]);
  });

  test("by the cascade of a foreign key", async () => {
    await db.sql.unsafe(`create table owners (id int primary key); create table cars (owner int references owners on update cascade,
      n int, primary key (owner, n)); select lockstep.capture('cars', 'car', '{}')`);
    await db.sql.unsafe("insert into owners values (1); insert into cars values (1, 5); update owners set id = 2");
    expect((await db.changes("car")).toSorted()).toEqual(["1,5 1 upserted", "1,5 2 deleted", "2,5 2 upserted"]);
  });

  test("that moves a row to another partition", async () => {
    for (const options of [{}, { version: "version" }]) {
      await db.sql.unsafe(`create table parted (region text, n int, version bigint, primary key (region, n)) partition by list (region);
        create table parted_a partition of parted for values in ('a'); create table parted_b partition of parted default`);
      await db.capture("parted", "parted", options);
      await db.sql.unsafe(`insert into parted values ('a', 1); update parted set region = 'b'; insert into parted_a values ('a', 1);
        update parted_b set n = 2`);
      const changes = (await db.changes("parted")).toSorted();
      expect(changes.filter((change) => change.startsWith("a,1"))).toEqual([
        "a,1 1 upserted",
        "a,1 2 deleted",
        "a,1 3 upserted",
      ]);
      expect(changes.at(-1)).toMatch(/^b,2 \d upserted/);
      await db.sql.unsafe("select lockstep.uncapture('parted'); drop table parted");
    }
  });
});

describe("a table is refused with the reason and the remedy", () => {
  const refusals: [string, string][] = [
    ["create table t (a int)", "has no primary key: nothing tells its rows apart"],
    [
      "create table t (a interval primary key)",
      "has a key with the column a of the type interval, which has no text that identifies it",
    ],
    ["create table t (a float8 primary key)", "of the type double precision, which"],
    [
      "create table t (a text collate ignores_case primary key)",
      "whose collation ignores_case takes different texts for equal",
    ],
    ["create view t as select 1 as id", "is no table"],
    [
      "create table t (a int primary key); create rule r as on update to t do instead nothing",
      "has the rule r, which replaces writes",
    ],
    ["create unlogged table t (a int primary key)", "is unlogged"],
    ["create table p (a int); create table t (a int primary key) inherits (p)", "inherits from public.p"],
    ["create table t (a int primary key, b int); create table c () inherits (t)", "has the child table public.c"],
  ];
  test.each(refusals)("%s", async (schema, reason) => {
    await db.sql.unsafe(`begin; ${schema}`);
    const found = await rejection(db.capture("t", "t"));
    await db.sql`rollback`;
    expect(found).toContain(reason);
    expect(found).toMatch(/\. \S/);
  });

  test("a unique index may be the key; its columns cannot be null", async () => {
    await db.sql.unsafe("create table u (a int, b text unique, c int not null unique)");
    expect(await rejection(db.capture("u", "u", { key: ["b"] }))).toContain(
      "alter table public.u alter column b set not null",
    );
    expect(await rejection(db.capture("u", "u", { key: ["a"] }))).toContain("can be null");
    await db.capture("u", "u", { key: ["c"] });
    await db.sql`insert into u values (1, 'x', 7)`;
    expect(await db.changes("u")).toEqual(["7 1 upserted"]);
    expect(await rejection(db.capture("u", "u", { key: ["c"], version: "a" }))).toContain(
      "is without the columns a bigint",
    );
  });
});
