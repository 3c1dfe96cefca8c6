/** Apply functions and reads of tables that are not the example's: any key, any type, child rows. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Document } from "../../contracts/entity/document.ts";
import { keyText } from "../../contracts/entity/key.ts";
import { type ReplicaDatabase, replicaDatabase } from "../../tests/harness/replica.ts";
import { Rows } from "../reads/rows.ts";
import { ReplicaTable, type TableOptions } from "../table.ts";
import { applyChanges, applyEach, type CacheGuard, type Change, testTable } from "./apply.ts";

let at: ReplicaDatabase;
let guard: CacheGuard;

beforeAll(async () => {
  at = await replicaDatabase("catalog");
  await at.sql.unsafe(`
    create extension citext;
    create extension hstore;
    create schema sales;
    create schema "Odd ""names""";
    create type sales.mood as enum ('calm', 'very sad, 50 %');
    create domain sales.positive as int check (value > 0);
    create domain sales.spelled as json;
    create type sales.point3 as (x int, y float8, note text)`);
  const [row] = await at.sql`select epoch from lockstep.cache_epoch`;
  guard = { epoch: Number(row!.epoch), cache: "off" };
}, 60_000);
afterAll(() => at[Symbol.asyncDispose]());

/** Creates a table and its description. Documents have the names of the columns. */
async function createTable(
  name: string,
  columns: string,
  options: Pick<TableOptions, "key" | "columns"> & Partial<TableOptions>,
): Promise<ReplicaTable> {
  await at.sql.unsafe(`create table ${name} (${columns})`);
  const plural = name.replace(/\W/g, "");
  return new ReplicaTable({
    entity: { name: plural, plural },
    replica: "catalog",
    name,
    options: { version: null, children: [], ...options },
    rowOf: (document) => ({ ...document }),
    documentOf: (row) => JSON.parse(row),
  });
}

const change = (id: string, version: number, document: Document | null): Change => ({ id, version, document });
const apply = (table: ReplicaTable, ...changes: Change[]) => applyChanges(at.database, table, changes, guard);
const read = async (table: ReplicaTable, id: string) => {
  const entry = await new Rows(at.database, table).one(id);
  return entry && { version: entry.version, document: entry.body && JSON.parse(entry.body) };
};

/** Keys of every type: the column's type, and two different values as documents have them, with their components. */
const keyTypes: readonly (readonly [type: string, a: readonly [unknown, string], b: readonly [unknown, string]])[] = [
  [
    "uuid",
    ["0197f3a0-0000-7000-8000-000000000001", "0197f3a0-0000-7000-8000-000000000001"],
    ["0197f3a0-0000-7000-8000-000000000002", "0197f3a0-0000-7000-8000-000000000002"],
  ],
  ["smallint", [-1, "-1"], [1, "1"]],
  ["integer", [42, "42"], [7, "7"]],
  ["bigint", ["9223372036854775807", "9223372036854775807"], [9007199254740991, "9007199254740991"]],
  ["text", ["", ""], ['a,b %2C \\ " {} é 😀', 'a,b %2C \\ " {} é 😀']],
  ["varchar(9)", ["null", "null"], ["NULL", "NULL"]],
  ["char(4)", ["ab  ", "ab"], ["    ", ""]],
  ["citext", ["AbC", "abc"], ["ÀB", "àb"]],
  ["boolean", [true, "true"], [false, "false"]],
  ["date", ["infinity", "infinity"], ["0044-03-15 BC", "0044-03-15 BC"]],
  ["time", ["10:00:00.5", "10:00:00.5"], ["24:00:00", "24:00:00"]],
  ["timestamp", ["2026-01-02T03:04:05.678901", "2026-01-02 03:04:05.678901"], ["-infinity", "-infinity"]],
  [
    "timestamptz(3)",
    ["2026-01-02T03:04:05.600Z", "2026-01-02 03:04:05.6+00"],
    ["2026-01-02T03:04:05Z", "2026-01-02 03:04:05+00"],
  ],
  ["numeric", ["1.500", "1.5"], ["-0.00", "0"]],
  ["sales.mood", ["very sad, 50 %", "very sad, 50 %"], ["calm", "calm"]],
  ["bytea", ["\\x00ff", "\\x00ff"], ["\\x", "\\x"]],
  ["inet", ["10.0.0.1", "10.0.0.1/32"], ["10.0.0.0/8", "10.0.0.0/8"]],
  ["sales.positive", [1, "1"], [2, "2"]],
];

describe("keys", () => {
  test.each(keyTypes.map((row) => [...row] as const))(
    "of type %s: insert, update, late event, delete",
    async (type, a, b) => {
      const name = `sales.k_${type.replace(/\W/g, "_")}`;
      const table = await createTable(name, `k ${type} primary key, n int`, { key: ["k"], columns: ["k", "n"] });
      const [first, second] = [keyText([a[1]]), keyText([b[1]])];
      expect(
        await apply(table, change(first, 1, { k: a[0], n: 1 }), change(second, 1, { k: b[0], n: 1 })),
      ).toMatchObject({ unchanged: new Map(), altered: new Set() });
      await apply(table, change(first, 2, { k: a[0], n: 2 }));
      expect((await apply(table, change(first, 1, { k: a[0], n: 1 }))).unchanged).toEqual(new Map([[first, 2]]));
      expect(await read(table, first)).toMatchObject({ version: 2, document: { n: 2 } });
      expect(await testTable(at.database, table)).toBe("accepts");
      const pages = await new Rows(at.database, table).page(undefined, 1);
      const rest = await new Rows(at.database, table).page(pages[0]!.id, 5);
      expect([...pages, ...rest].map(({ id }) => id).toSorted()).toEqual([first, second].toSorted());
      await apply(table, change(first, 3, null));
      expect(await read(table, first)).toEqual({ version: 3, document: null });
      expect([...(await at.sql`select n from ${at.sql(name)}`)]).toEqual([{ n: 1 }]);
      await apply(table, change(second, 3, null));
      expect(await at.sql`select from ${at.sql(name)}`).toHaveLength(0);
    },
  );

  test("of several columns, in another order than the table's and under odd names", async () => {
    const name = `"Odd ""names"""."Order ""lines"""`;
    const table = await createTable(
      name,
      `"Line, no" int, "order" text, "%" numeric(9,2), primary key ("order", "Line, no")`,
      {
        key: ["order", "Line, no"],
        columns: ["Line, no", "order", "%"],
      },
    );
    const rows = [
      ["a,b", 1],
      ["a", 1],
      ["", 2],
    ] as const;
    const changes = rows.map(([order, line]) =>
      change(keyText([order, String(line)]), 1, { order, "Line, no": line, "%": "1.5" }),
    );
    await apply(table, ...changes.toSorted((x, y) => (x.id < y.id ? -1 : 1)));
    expect(await read(table, "a%2Cb,1")).toEqual({ version: 1, document: { order: "a,b", "Line, no": 1, "%": 1.5 } });
    const first = await new Rows(at.database, table).page(undefined, 2);
    const second = await new Rows(at.database, table).page(first[1]!.id, 2);
    expect([...first, ...second].map(({ id }) => id)).toEqual(["%00,2", "a,1", "a%2Cb,1"]);
    await apply(table, change("%00,2", 2, null), change("a,1", 1, { order: "a", "Line, no": 1, "%": "9" }));
    expect((await new Rows(at.database, table).page(undefined, 9)).map(({ id }) => id)).toEqual(["a,1", "a%2Cb,1"]);
    expect((await read(table, "a,1"))?.document).toMatchObject({ "%": 1.5 });
    expect(await testTable(at.database, table)).toBe("accepts");
  });

  test("a key that no row can have is not found, and a delete of it is rejected alone", async () => {
    const table = await createTable("sales.numbers", "k int primary key", { key: ["k"], columns: ["k"] });
    expect(await read(table, "many")).toBeUndefined();
    expect(await read(table, "1,2")).toBeUndefined();
    const { rejected } = await applyEach(
      at.database,
      table,
      [change("7", 1, { k: 7 }), change("many", 1, null)],
      guard,
    );
    expect([...rejected].map(([id, { code }]) => [id, code])).toEqual([["many", "22P02"]]);
    expect(await read(table, "7")).toMatchObject({ version: 1 });
  });

  test("a change of a citext or numeric key in spelling only changes the row's spelling", async () => {
    const table = await createTable("sales.spelling", "c citext, d numeric, n int, primary key (c, d)", {
      key: ["c", "d"],
      columns: ["c", "d", "n"],
    });
    await apply(table, change("abc,1", 1, { c: "abc", d: "1.0", n: 1 }));
    await apply(table, change("abc,1", 2, { c: "ABC", d: "1.00", n: 2 }));
    expect([...(await at.sql`select c::text, d::text, n from sales.spelling`)]).toEqual([
      { c: "ABC", d: "1.00", n: 2 },
    ]);
    await apply(table, change("abc,1", 3, null));
    expect(await at.sql`select from sales.spelling`).toHaveLength(0);
  });

  test("P4: a change of the key arrives as a delete and an upsert, in any order", async () => {
    const table = await createTable("sales.moved", "k text primary key, sku text", {
      key: ["k"],
      columns: ["k", "sku"],
    });
    await apply(table, change("a", 1, { k: "a", sku: "x" }), change("c", 1, { k: "c", sku: "y" }));
    await apply(table, change("b", 1, { k: "b", sku: "x" }));
    await apply(table, change("a", 2, null));
    await apply(table, change("c", 2, null));
    await apply(table, change("d", 1, { k: "d", sku: "y" }));
    await apply(table, change("a", 1, { k: "a", sku: "x" }));
    expect([...(await at.sql`select k, sku from sales.moved order by k`)]).toEqual([
      { k: "b", sku: "x" },
      { k: "d", sku: "y" },
    ]);
  });

  test("tables that cannot be applied to are refused with the reason", async () => {
    const refused = async (columns: string, options: Pick<TableOptions, "key" | "columns" | "keyTypes">) => {
      const name = `sales.refused_${Bun.hash(columns).toString(36)}`;
      const table = await createTable(name, columns, options);
      return table.applyFunction(at.database).then(
        () => "not refused",
        (error: Error) => error.message.replace(name, "T"),
      );
    };
    const k = { key: ["k"], columns: ["k"] };
    expect(await refused("k int", k)).toBe(
      "replica catalog: table T has no primary key or unique index on (k). Add a primary key on exactly these columns by a migration.",
    );
    expect(await refused("k int, b int, primary key (k, b)", k)).toContain("unique index on (k)");
    expect(await refused("k int unique deferrable", k)).toContain("unique index on (k)");
    expect(await refused("k float8 primary key", k)).toBe(
      "replica catalog: table T: column k has a type that no key can have",
    );
    await at.sql`create collation if not exists sales.nd (provider = icu, locale = 'und', deterministic = false)`;
    expect(await refused(`k text collate sales.nd primary key`, k)).toContain(
      "the collation of k is not deterministic",
    );
    expect(
      await refused("k int primary key, i int generated always as identity", { key: ["k"], columns: ["k", "i"] }),
    ).toContain("column i is generated always as identity");
    expect(await refused("k int generated always as identity primary key", k)).toBe("not refused");
    expect(await refused("k text  primary key", { ...k, keyTypes: ["citext"] })).toBe(
      "replica catalog: table T: column k of the key is text, not citext, so keys compare in another way. Change the type of the column by a migration.",
    );
    expect(await refused("k varchar(9) primary key", { ...k, keyTypes: ["sales.mood"] })).toBe("not refused");
    expect(await refused("k bigint primary key", { ...k, keyTypes: ["integer"] })).toBe("not refused");
    expect(await refused("k uuid primary key", { ...k, keyTypes: ["nowhere.unknown(3)"] })).toBe("not refused");
    expect(await refused("k int primary key", { key: ["k"], columns: ["k", "x", "y"] })).toContain(
      "has no column x, y",
    );
  });
});

/** Types with values as documents have them, and PostgreSQL's text of the stored value where it differs. */
const values: readonly (readonly [type: string, value: unknown, text?: string])[] = [
  ["json", '{"b": 1,  "a": 1, "a": 2}'],
  ["json", '"text"'],
  ["sales.spelled", "[1.0,  2]"],
  ["json[]", ['{"a":  1}', null, '"x"'], `{"{\\"a\\":  1}",NULL,"\\"x\\""}`],
  ["jsonb", { a: [1, null, "x"], b: {} }, '{"a": [1, null, "x"], "b": {}}'],
  ["jsonb", "text", '"text"'],
  [
    "jsonb",
    (JSON as unknown as { rawJSON: (text: string) => unknown }).rawJSON("1234567890123456789012.50"),
    "1234567890123456789012.50",
  ],
  ["float8", "NaN"],
  ["float8", "-0"],
  ["float8", 0.1],
  ["float4", "-Infinity"],
  ["float8[]", [1.5, "NaN", null], "{1.5,NaN,NULL}"],
  [
    "int[]",
    [
      [1, 2],
      [3, null],
    ],
    "{{1,2},{3,NULL}}",
  ],
  ["int[]", "[0:1]={1,2}"],
  ["int[]", []],
  ["text[]", ["", "null", 'a"b\\', null], `{"","null","a\\"b\\\\",NULL}`],
  ["numeric", "1234567890123456789.123456789012345678901234567890"],
  ["numeric(9,2)", "7.10"],
  ["numeric", "NaN"],
  ["bigint", "-9223372036854775808"],
  ["char(5)", "ab"],
  ["citext", "MiXed"],
  ["bytea", "\\x00ff"],
  ["date", "-infinity"],
  ["timestamptz", "2026-01-02T03:04:05.678901Z", "2026-01-02 03:04:05.678901+00"],
  ["timestamptz", "0044-03-15T00:00:00Z BC", "0044-03-15 00:00:00+00 BC"],
  ["timestamp", "infinity"],
  ["timetz", "10:00:00+02"],
  ["interval", "1 year -2 days +03:00:00.5"],
  ["money", "-$1,234.50"],
  ["xml", "<a>1</a>"],
  ["tsvector", "'a':1 'b':2"],
  ["int4range", "[1,5)"],
  ["int4multirange", "{[1,3),[7,9)}"],
  ["point", "(1,2)"],
  ["inet", "10.0.0.1"],
  ["bit(3)", "101"],
  ["hstore", '"a"=>"1", "b"=>NULL'],
  ["sales.mood", "very sad, 50 %"],
  ["sales.mood[]", ["calm", null], "{calm,NULL}"],
  ["sales.positive", 7],
  ["sales.point3", '(1,-0,"a b")'],
  ["sales.point3[]", '{"(1,NaN,)"}'],
  ["text", null],
  ["json", null],
];

describe("values", () => {
  test.each(values.map(([type, value, text]) => [type, value, text ?? null] as const))(
    "of type %s: %p",
    async (type, value, text) => {
      const name = `sales.v_${crypto.randomUUID().replaceAll("-", "")}`;
      const table = await createTable(name, `k int primary key, v ${type}`, { key: ["k"], columns: ["k", "v"] });
      await apply(table, change("1", 1, { k: 1, v: value }));
      const stored = async () =>
        (
          await at.database.query((sql) =>
            sql.unsafe<{ v: string | null }[]>(`select array[v]::text as v from ${name}`),
          )
        )[0]!.v;
      const textOf = async () =>
        (await at.database.query((sql) => sql.unsafe<{ v: string | null }[]>(`select v::text as v from ${name}`)))[0]!
          .v;
      const expected =
        value === null ? null : (text ?? (Array.isArray(value) ? `{${value.join(",")}}` : String(value)));
      if (type !== "inet" && type !== "bytea") expect(await textOf()).toBe(expected);
      const before = await stored();
      // What a read returns is applied again to the same value.
      const { rows } = await table.readQueries(at.database);
      const [read] = await at.database.query((sql) =>
        sql.unsafe<{ row: string }[]>(`select to_jsonb(t)::text as row from (${rows}) t`),
      );
      const apply_ = await table.applyFunction(at.database);
      await at.database.query((sql) =>
        sql.unsafe(
          `select * from lockstep.${apply_}('{1}', '{2}', '{f}', '{null}', ('[' || $1::text || ']')::json, '{}', $2, 'off')`,
          [read!.row, guard.epoch],
        ),
      );
      expect(await stored()).toBe(before);
    },
  );
});

describe("a table's own columns", () => {
  test("generated columns are left out, also declared ones; defaults fill the others", async () => {
    const table = await createTable(
      "sales.generated",
      "k int primary key, n int, twice int generated always as (n * 2) stored, mine text default 'me', at timestamptz default now()",
      {
        key: ["k"],
        columns: ["k", "n", "twice"],
      },
    );
    await apply(table, change("1", 1, { k: 1, n: 4, twice: 99 }));
    await apply(table, change("1", 2, { k: 1, n: 5, twice: 99 }));
    expect([...(await at.sql`select n, twice, mine from sales.generated`)]).toEqual([{ n: 5, twice: 10, mine: "me" }]);
    expect((await read(table, "1"))?.document).toEqual({ k: 1, n: 5, twice: 10 });
  });

  test("a batch in which only some changes are new applies those, each with its own document", async () => {
    const table = await createTable("sales.partly", "k int primary key, n int", { key: ["k"], columns: ["k", "n"] });
    await apply(table, change("1", 5, { k: 1, n: 5 }), change("3", 5, { k: 3, n: 5 }), change("4", 1, { k: 4, n: 1 }));
    const { unchanged } = await apply(
      table,
      change("0", 1, null),
      change("1", 4, { k: 1, n: 4 }),
      change("2", 1, { k: 2, n: 1 }),
      change("3", 6, { k: 3, n: 6 }),
      change("4", 2, null),
    );
    expect(unchanged).toEqual(new Map([["1", 5]]));
    expect([...(await at.sql`select k, n from sales.partly order by k`)].map(({ k, n }) => [k, n])).toEqual([
      [1, 5],
      [2, 1],
      [3, 6],
    ]);
  });

  test("a trigger that changes a row is reported, for any key; one that changes the key undoes the batch", async () => {
    const table = await createTable("sales.watched", "a text, b int, n int, primary key (a, b)", {
      key: ["a", "b"],
      columns: ["a", "b", "n"],
    });
    await at.sql.unsafe(`
      create function sales.watch() returns trigger language plpgsql as $$ begin
        if new.n = 1 then new.n := 2; end if;
        if new.n = 3 then new.a := 'other'; end if;
        return new;
      end $$;
      create trigger watch before insert or update on sales.watched for each row execute function sales.watch()`);
    const { altered } = await apply(
      table,
      change("x%2Cy,1", 1, { a: "x,y", b: 1, n: 0 }),
      change("x%2Cy,2", 1, { a: "x,y", b: 2, n: 1 }),
    );
    expect(altered).toEqual(new Set(["x%2Cy,2"]));
    await expect(apply(table, change("z,1", 1, { a: "z", b: 1, n: 3 }))).rejects.toMatchObject({ code: "LS003" });
  });
});

describe("child rows", () => {
  const lines = {
    member: "lines",
    relation: "sales.order_lines",
    key: ["line_no"],
    parentKey: ["order_id"],
    columns: ["line_no", "amount", "data"],
  };
  const order = (version: number, given: readonly Document[] | null) =>
    change("7", version, given && { id: 7, customer: "c", lines: given });
  const line = (line_no: string, amount = "1.00", data = '{"a": 1}') => ({ line_no, amount, data });
  const stored = async () =>
    [
      ...(await at.sql`select line_no, amount::text, note from sales.order_lines where order_id = 7 order by line_no collate "C"`),
    ].map((row) => Object.values(row));
  let table: ReplicaTable;

  beforeAll(async () => {
    table = await createTable("sales.orders", "id int primary key, customer text", {
      key: ["id"],
      columns: ["id", "customer"],
      children: [lines],
    });
    await at.sql`create table sales.order_lines (order_id int references sales.orders, line_no text, amount numeric, data json, note text, primary key (order_id, line_no))`;
  });

  test("come and go with the documents; a line that stays keeps the replica's own column", async () => {
    await apply(
      table,
      order(1, [line("b"), line("a"), line("B")]),
      change("8", 1, { id: 8, customer: "d", lines: [line("a")] }),
    );
    await at.sql`update sales.order_lines set note = 'mine'`;
    const before = await at.sql`select xmin from sales.order_lines where order_id = 7 and line_no = 'a'`;
    await apply(table, order(2, [line("a"), line("b", "1.0"), line("c")]));
    expect(await stored()).toEqual([
      ["a", "1.00", "mine"],
      ["b", "1.0", "mine"],
      ["c", "1.00", null],
    ]);
    expect(
      await at.sql`select xmin from sales.order_lines where order_id = 7 and line_no = 'a'`,
      "an equal line is not written",
    ).toEqual(before);
    expect(await read(table, "7")).toEqual({
      version: 2,
      document: {
        id: 7,
        customer: "c",
        lines: ["a", "b", "c"].map((line_no) => ({ order_id: 7, line_no, amount: 1, data: '{"a": 1}' })),
      },
    });
    expect(await testTable(at.database, table)).toBe("accepts");
    expect(await stored()).toHaveLength(3);
    expect((await apply(table, order(1, []))).unchanged).toEqual(new Map([["7", 2]]));
    expect(await stored()).toHaveLength(3);
    await apply(table, order(3, []));
    expect(await stored()).toEqual([]);
    expect((await read(table, "7"))?.document).toEqual({ id: 7, customer: "c", lines: [] });
    await apply(table, order(4, [line("z")]));
    await apply(table, order(5, null));
    expect(await stored()).toEqual([]);
    expect(await at.sql`select from sales.order_lines`, "lines of another order").toHaveLength(1);
  });

  test("P6: a rejected line rejects its document, and no other", async () => {
    const changes = ["1", "2", "3"].map((id) =>
      change(id, 1, { id: Number(id), customer: "c", lines: [line("a", id === "2" ? "many" : "1")] }),
    );
    const { rejected } = await applyEach(at.database, table, changes, guard);
    expect([...rejected.keys()]).toEqual(["2"]);
    expect(
      [...(await at.sql`select order_id from sales.order_lines where order_id < 4 order by 1`)].map(
        ({ order_id }) => order_id,
      ),
    ).toEqual([1, 3]);
    expect(await at.sql`select from sales.orders where id = 2`).toHaveLength(0);
  });

  test("of a parent with a key of two columns, in a table with a trigger: the document is not for the cache", async () => {
    const parts = { member: "parts", relation: `sales."Parts"`, key: ["n"], parentKey: ["p_b", "p_a"], columns: ["n"] };
    const parents = await createTable("sales.parents", "a text, b int, primary key (a, b)", {
      key: ["b", "a"],
      columns: ["a", "b"],
      children: [parts],
    });
    await at.sql.unsafe(`
      create table sales."Parts" (n int, p_a text, p_b int, primary key (p_a, p_b, n));
      create function sales.skip() returns trigger language plpgsql as $$ begin return case when new.n = 13 then null else new end; end $$;
      create trigger skip before insert on sales."Parts" for each row execute function sales.skip()`);
    const of = (version: number, ...parts: number[]) =>
      change("1,x%2C", version, { a: "x,", b: 1, parts: parts.map((n) => ({ n })) });
    expect((await apply(parents, of(1, 3, 1, 2))).altered).toEqual(new Set(["1,x%2C"]));
    expect((await read(parents, "1,x%2C"))?.document).toEqual({
      a: "x,",
      b: 1,
      parts: [1, 2, 3].map((n) => ({ n, p_a: "x,", p_b: 1 })),
    });
    await apply(parents, of(2, 2));
    await expect(apply(parents, of(3, 2, 13))).rejects.toMatchObject({ code: "LS003" });
    await apply(parents, change("1,x%2C", 4, null));
    expect(await at.sql`select from sales."Parts"`).toHaveLength(0);
  });
});
