/** The data of an event loses nothing of a row, and survives changes of the table by its owner. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Sql } from "postgres";
import { CapturedDatabase } from "../tests/harness/captured-database.ts";

let db: CapturedDatabase;
let sql: Sql;
beforeAll(async () => {
  db = await CapturedDatabase.open();
  sql = db.sql;
  await sql.unsafe(`create extension citext; create extension hstore; create type mood as enum ('sad', 'ok');
    create type pair as (x int, j json); create domain notes as json not null; create domain score as float8`);
}, 60_000);
afterAll(() => db?.[Symbol.asyncDispose]());

/** The text of a column's member in the data, as JSON. */
async function captured(type: string, value: string, place: object = {}): Promise<string> {
  await sql.unsafe(`create table v (id int primary key, v ${type}, version bigint)`);
  await db.capture("v", "v", place);
  await sql.unsafe(`set timezone = 'Asia/Tokyo'; set datestyle = 'German'; set intervalstyle = iso_8601; set extra_float_digits = 0;
    set bytea_output = escape`);
  await sql.unsafe(`insert into v values (1, ${value})`);
  await sql.unsafe("reset all; set search_path = public");
  const [row] = await sql<{ text: string; digest: boolean }[]>`
    select (data -> 'v')::text as text, digest = hashtextextended((select data::text from lockstep.states('v', '{1}')), 0) as digest
    from lockstep.outbox where entity = 'v'`;
  await sql.unsafe("select lockstep.uncapture('v'); drop table v");
  expect(row!.digest).toBe(true);
  return row!.text;
}

describe.each([
  ["beside", {}],
  ["in a column", { version: "version" }],
])("versions %s", (_, place) => {
  test.each([
    [
      "json",
      `'{"a" : 1, "a": "\\u0000", "n": 1e999999}'`,
      `"{\\"a\\" : 1, \\"a\\": \\"\\\\u0000\\", \\"n\\": 1e999999}"`,
    ],
    ["notes", `' {}'`, `" {}"`],
    ["jsonb", `'{"n": 12345678901234567890.10}'`, `{"n": 12345678901234567890.10}`],
    ["jsonb", "'null'", `{"lockstep.jsonNull": true}`],
    ["jsonb not null", "'null'", "null"],
    ["jsonb", "null", "null"],
    ["jsonb[]", `'{"[1]",NULL,"null"}'`, `"{[1],NULL,\\"null\\"}"`],
    ["float8", "'-0'", `"-0"`],
    ["float8", "0.1::float8 + 0.2::float8", `"0.30000000000000004"`],
    ["score", "'NaN'", `"NaN"`],
    ["real[]", "'{1.5,-0,NaN}'", `"{1.5,-0,NaN}"`],
    ["numeric", "'1.500'", "1.500"],
    ["numeric", "'Infinity'", `"Infinity"`],
    ["int8", "9223372036854775807", "9223372036854775807"],
    ["int[]", "'{1,NULL,3}'", "[1, null, 3]"],
    ["int[]", "'{{1,2},{3,4}}'", "[[1, 2], [3, 4]]"],
    ["int[]", "'[0:1]={1,2}'", `"[0:1]={1,2}"`],
    ["text[]", `'{"[1:2]={a}"}'`, `["[1:2]={a}"]`],
    ["date[]", "'[2:2]={2026-01-02}'", `"[2:2]={2026-01-02}"`],
    ["timestamptz", "'2026-01-02 03:04:05.678901+00'", `"2026-01-02T03:04:05.678901+00:00"`],
    ["timestamptz", "'0044-03-15 00:00+00 BC'", `"0044-03-15T00:00:00+00:00 BC"`],
    ["date", "'infinity'", `"infinity"`],
    ["interval", "'1 day 2 hours'", `"1 day 02:00:00"`],
    ["tstzrange", "'[2020-01-01 00:00+00,)'", `"[\\"2020-01-01 00:00:00+00\\",)"`],
    ["bytea", "'\\x00ff'", `"\\\\x00ff"`],
    ["money", "1234.5", `"$1,234.50"`],
    ["mood", "'ok'", `"ok"`],
    ["mood[]", "'{ok,sad}'", `["ok", "sad"]`],
    ["pair", `row(1, '{"a": 1e999999}')`, `"(1,\\"{\\"\\"a\\"\\": 1e999999}\\")"`],
    ["hstore", "'a=>1'", `"\\"a\\"=>\\"1\\""`],
    ["citext", "'Ab'", `"Ab"`],
    ["point", "'(0.1,-0)'", `"(0.1,-0)"`],
    ["text", "'☕ \" \\'", `"☕ \\" \\\\"`],
    ["char(4)", "'ab'", `"ab  "`],
    ["text", "null", "null"],
  ])("%s %s", async (type, value, expected) => {
    expect(await captured(type, value, place)).toBe(expected);
  });
});

describe("after a change of the table by its owner, his writes go on", () => {
  const problems = async () =>
    (await sql`select problem from lockstep.capture_problems() where entity = 'owned'`).map(({ problem }) => problem);
  async function afterChange(change: string, write = "update owned set n = 2") {
    await sql.unsafe(`create table owned (id int primary key, n int, j json, a int[], f real, v bigint)`);
    await db.capture("owned", "owned");
    await sql.unsafe(`insert into owned values (1, 1, '{}', '{1}', 1.5)`);
    await db.take("owned");
    await sql.unsafe(change);
    await sql.unsafe(write);
    const data = (await db.take("owned")).at(-1)?.data;
    const found = await problems();
    let repaired: string[] | undefined;
    if (found.length > 0 && data) {
      const [{ name }] = (await sql`select relation::text as name from lockstep.captured where entity = 'owned'`) as [
        { name: string },
      ];
      await sql`select lockstep.capture(${name}::text::regclass, 'owned')`;
      repaired = await problems();
    }
    await sql.unsafe("select lockstep.uncapture('owned'); drop table if exists owned, other");
    return { data, found, repaired };
  }
  const rest = { id: 1, n: 2, j: "{}", a: [1], f: "1.5", v: null };

  test("an added column is in the data at once", async () => {
    expect(await afterChange("alter table owned add b text default 'new'")).toEqual({
      data: { ...rest, b: "new" },
      found: [],
      repaired: undefined,
    });
  });

  test("an added column whose text is needed is reported", async () => {
    const { data, found, repaired } = await afterChange("alter table owned add g float8 default 1");
    expect([data, found, repaired]).toEqual([{ ...rest, g: 1 }, ["has columns that changed since its capture"], []]);
  });

  test("dropped columns are left out", async () => {
    const { j: _, a: __, f: ___, ...left } = rest;
    const { data, found, repaired } = await afterChange("alter table owned drop j, drop a, drop f");
    expect([data, found, repaired]).toEqual([left, ["has columns that changed since its capture"], []]);
  });

  test("retyped columns have their new form", async () => {
    const { data, repaired } = await afterChange(
      "alter table owned alter n type bigint, alter j type text, alter a type text using a::text, alter f type int using 2, alter id type bigint",
    );
    expect([data, repaired]).toEqual([{ ...rest, a: "{1}", f: "2" }, []]);
  });

  test("a renamed table is captured, and named", async () => {
    const { data, found, repaired } = await afterChange("alter table owned rename to other", "update other set n = 2");
    expect(data).toEqual(rest);
    expect(found).toEqual(["is not the name of a table any more, and the captured table is public.other"]);
    expect(repaired).toEqual([]);
  });

  test("without the key's column nothing is captured, and this is reported", async () => {
    for (const change of ["alter table owned rename id to key", "alter table owned drop id"]) {
      const { data, found } = await afterChange(change);
      expect(data).toBeUndefined();
      expect(found).toEqual(["has no column id, which belongs to its key"]);
    }
  });

  test("a column that Lockstep sets is not dropped without CASCADE", async () => {
    await sql.unsafe("create table owned (id int primary key, v bigint)");
    await db.capture("owned", "owned", { version: "v" });
    expect(await sql`alter table owned drop v`.catch(({ code }) => code)).toBe("2BP01");
    await sql.unsafe("alter table owned drop v cascade; insert into owned values (1)");
    expect(await problems()).toContain("is without the columns v bigint");
    await sql.unsafe("select lockstep.uncapture('owned'); drop table owned");
  });
});
