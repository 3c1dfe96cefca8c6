/** Writes over HTTP to tables that Lockstep did not make: any key, any type, versions beside the table, references. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { anyTables } from "../tests/any-table/index.ts";
import { OpenApiChecker } from "../tests/harness/api-descriptions.ts";
import { requestWith } from "../tests/harness/client.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { type TestGateway, testGateway } from "../tests/harness/gateway.ts";
import { gatewayOpenApi } from "./openapi/document.ts";

const request = requestWith(new OpenApiChecker(gatewayOpenApi(anyTables)).checked(fetch));
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await testGateway({}, anyTables);
}, 60_000);
afterAll(() => gateway?.[Symbol.asyncDispose]());

const urlOf = (path: string) => `${gateway.url}${path}`;
const post = (path: string, body: unknown, headers = {}) => request("POST", urlOf(path), body, headers);
const code = () => Bun.randomUUIDv7();
const text = async (sql: string, ...parameters: (string | number)[]) =>
  Object.values((await gateway.sql.unsafe(sql, parameters))[0] ?? {})[0];
/** The events of one entity, oldest first. */
const eventsOf = (entity: string, id: unknown) =>
  gateway.sql<{ version: number; operation: string; data: Record<string, unknown> | null }[]>`
    select version::int as version, operation, data from lockstep.outbox
    where entity = ${entity} and id = ${String(id)} order by seq`;
const errorsOf = ({ body }: { body: Record<string, unknown> }) =>
  (body.errors as { pointer: string; detail: string }[] | undefined)?.map(({ pointer }) => pointer);

describe("a key that clients choose", () => {
  test("is in the body of POST, in the path, and taken by the second one", async () => {
    const created = await post("/countries", { code: "PT", name: "Portugal" });
    expect([created.status, created.body]).toEqual([201, { code: "PT", name: "Portugal" }]);
    expect([created.headers.get("location"), created.headers.get("etag")]).toEqual(["/countries/PT", '"1"']);
    const again = await post("/countries", { code: "PT", name: "Another" });
    expect(again).toMatchObject({ status: 409, body: { code: "CONFLICT" } });
    expect(again.body.errors).toEqual([{ pointer: "/code", detail: "is taken" }]);
    expect(errorsOf(await post("/countries", { code: "ES", name: "Portugal" }))).toEqual(["/name"]);
    expect(await text(`select "version" from "Geo"."Country"`)).toBe("the owner's own");
    expect((await eventsOf("country", "PT")).map(({ version, operation }) => [version, operation])).toEqual([
      [1, "upserted"],
    ]);
  });

  test("cannot be changed", async () => {
    await post("/countries", { code: "AR", name: "Argentina" });
    for (const method of ["PUT", "PATCH"]) {
      const changed = await request(method, urlOf("/countries/AR"), { code: "AA", name: "Argentina" });
      expect(changed).toMatchObject({ status: 422, body: { errors: [{ pointer: "/code" }] } });
    }
    const renamed = await request("PUT", urlOf("/countries/AR"), { name: "Argentine Republic" });
    expect([renamed.status, renamed.body, renamed.headers.get("etag")]).toEqual([
      200,
      { code: "AR", name: "Argentine Republic" },
      '"2"',
    ]);
  });

  test("of three columns is normalized: citext in lower case, commas and percent signs escaped", async () => {
    const created = await post("/memberships", { tenant: 7, email: "Ana,100%@X.org", mood: "up, or down" });
    expect(created.body).toEqual({ tenant: 7, email: "Ana,100%@X.org", mood: "up, or down", points: 0 });
    const path = created.headers.get("location")!;
    expect(path).toBe("/memberships/7,ana%252C100%2525%40x.org,up%252C%20or%20down");
    for (const other of [path, path.replace("ana", "ANA"), path.replace("/7", "/007")])
      expect(await request("GET", urlOf(other))).toMatchObject({ status: 200, body: { email: "Ana,100%@X.org" } });
    expect((await post("/memberships", { tenant: 7, email: "ANA,100%@x.ORG", mood: "up, or down" })).status).toBe(409);
    expect((await request("PATCH", urlOf(path), { points: 5 })).body).toMatchObject({ points: 5 });
    expect((await request("DELETE", urlOf(path))).headers.get("etag")).toBe('"3"');
    expect((await request("GET", urlOf(path))).status).toBe(404);
    // Deleted, and there again: the versions go on.
    const back = await post("/memberships", { tenant: 7, email: "ana,100%@x.org", mood: "up, or down" });
    expect([back.status, back.headers.get("etag")]).toEqual([201, '"4"']);
  });

  test("that no row can have is 404, for reads and for writes", async () => {
    for (const id of ["7,x", "x,y,calm", "7,y,no%20mood", "7,,calm", "99999999999,y,calm"]) {
      expect([id, (await request("GET", urlOf(`/memberships/${id}`))).status]).toEqual([id, 404]);
      expect([id, (await request("PATCH", urlOf(`/memberships/${id}`), { points: 1 })).status]).toEqual([id, 404]);
      expect([id, (await request("DELETE", urlOf(`/memberships/${id}`))).status]).toEqual([id, 404]);
    }
    expect((await request("GET", urlOf("/countries/TOOLONG"))).status).toBe(404);
  });

  test("may be any text, and an entity may consist of nothing else", async () => {
    const names = ["a/b", "ü?#&", "%00", "a,b", "100%", " blank ", "%2C", "x".repeat(500)];
    for (const name of names) {
      const created = await post("/tags", { name });
      expect([name, created.status]).toEqual([name, 201]);
      const path = created.headers.get("location")!;
      expect((await request("GET", urlOf(path))).body).toEqual({ name });
      expect((await request("PATCH", urlOf(path), {})).headers.get("etag")).toBe('"2"');
    }
    const all: unknown[] = [];
    for (let cursor = ""; ; ) {
      const { body } = await request("GET", urlOf(`/tags?limit=3${cursor}`));
      all.push(...(body.items as { name: string }[]).map(({ name }) => name));
      if (!body.nextCursor) break;
      cursor = `&cursor=${body.nextCursor}`;
    }
    const stored = await gateway.sql`select name from tags order by name`;
    expect(all).toEqual(stored.map(({ name }) => name));
  });
});

describe("a key that the database makes", () => {
  test("comes from its sequence, once for each write, also of concurrent ones", async () => {
    const created = await Promise.all(Array.from({ length: 60 }, (_, i) => post("/categories", { title: `c${i}` })));
    const ids = created.map(({ body }) => body.id as number);
    expect(created.map(({ status }) => status)).toEqual(created.map(() => 201));
    expect(new Set(ids).size).toBe(60);
    for (const [i, id] of ids.entries())
      expect((await request("GET", urlOf(`/categories/${id}`))).body).toMatchObject({ id, title: `c${i}` });
    expect(Number(await text("select max(category_id) from categories"))).toBeLessThan(200);
    expect(await post("/categories", { id: 5, title: "x" })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "/id", detail: "is read-only" }] },
    });
    const { body } = await request("GET", urlOf("/categories?limit=100"));
    const listed = (body.items as { id: number }[]).map(({ id }) => id);
    expect(listed).toEqual([...listed].sort((a, b) => a - b));
  });

  test("is one of the values beyond 2^53, exactly", async () => {
    await gateway.sql`insert into categories overriding system value values (9007199254740993, null, 'large')`;
    const found = await request("GET", urlOf("/categories/9007199254740993"));
    expect([found.status, found.body.id]).toEqual([200, "9007199254740993"]);
    expect((await request("PATCH", urlOf("/categories/9007199254740993"), { title: "larger" })).body.title).toBe(
      "larger",
    );
    await request("DELETE", urlOf("/categories/9007199254740993"));
  });
});

/** Values of each type, as a document has them, and the text of the column where it differs from the value. */
const values: [member: string, column: string, value: unknown, stored?: string | null][] = [
  ["small", "small", -32_768],
  ["whole", "whole", 2_147_483_647],
  ["large", "large", "-9223372036854775808"],
  ["large", "large", 9_007_199_254_740_991],
  ["exact", "exact", "1.500"],
  ["exact", "exact", "123456789012345678901234567890.000000000000000000000000000001"],
  ["exact", "exact", "NaN"],
  ["exact", "exact", "-Infinity"],
  ["price", "price", "-19.90"],
  ["share", "share", "99.99"],
  ["single", "single", 0.1],
  ["single", "single", "NaN"],
  ["double", "double", 5e-324],
  ["double", "double", "-0"],
  ["double", "double", "-Infinity"],
  ["isOn", "is_on", false, "false"],
  ["day", "day", "0044-03-15 BC"],
  ["day", "day", "infinity"],
  ["atTime", "at_time", "23:59:59.999999"],
  ["moment", "moment", "2026-01-02T03:04:05.678901", "2026-01-02 03:04:05.678901"],
  ["instant", "instant", "2026-01-02T03:04:05.678901Z", "2026-01-02 03:04:05.678901+00"],
  ["instant", "instant", "-infinity"],
  ["span", "span", "1 year 2 mons -3 days +04:05:06.7"],
  ["raw", "raw", "\\x00ff"],
  ["mood", "mood", "up, or down"],
  ["moods", "moods", ["calm", null, "100 %"], '{calm,NULL,"100 %"}'],
  ["numbers", "numbers", [1, null, -2], "{1,NULL,-2}"],
  ["numbers", "numbers", "[0:1]={5,6}"],
  [
    "numbers",
    "numbers",
    [
      [1, 2],
      [3, 4],
    ],
    "{{1,2},{3,4}}",
  ],
  ["exacts", "exacts", ["1.50", null], "{1.50,NULL}"],
  ["doubles", "doubles", [1.5, "NaN", null], "{1.5,NaN,NULL}"],
  ["texts", "texts", ["", 'a"b', "NULL", null], '{"","a\\"b","NULL",NULL}'],
  ["doc", "doc", { a: [1, { b: null }], "": "ü" }, '{"": "ü", "a": [1, {"b": null}]}'],
  ["source", "source", '{ "b":1,  "a": 1.0 }'],
  ["sources", "sources", ['{ "b": 1}', null], '{"{ \\"b\\": 1}",NULL}'],
  ["valid", "valid", '["2026-01-01 00:00:00+00",)'],
  ["host", "host", "10.0.0.0/8"],
  ["zip", "zip", "12345"],
];

describe("a value of each type", () => {
  test("is stored as it was sent, by POST and by PATCH, and read as it is stored", async () => {
    for (const [member, column, value, stored = String(value)] of values) {
      const created = await post("/items", { code: code(), [member]: value });
      const id = created.body.id as string;
      expect([member, created.status, created.body[member]]).toEqual([member, 201, value]);
      const columnText = () => text(`select "${column}"::text from items where id = $1`, id);
      expect([member, await columnText()]).toEqual([member, stored]);
      // Nullable: a patch with null sets it, and a missing one keeps it.
      expect((await request("PATCH", urlOf(`/items/${id}`), { [member]: null })).body[member]).toBeNull();
      expect(await columnText()).toBeNull();
      expect((await request("PATCH", urlOf(`/items/${id}`), { [member]: value })).body[member]).toEqual(value);
      expect((await request("PATCH", urlOf(`/items/${id}`), {})).body[member]).toEqual(value);
      expect([member, await columnText()]).toEqual([member, stored]);
      expect((await request("GET", urlOf(`/items/${id}`))).body[member]).toEqual(value);
      expect((await eventsOf("item", id)).at(-1)!.version).toBe(4);
    }
  });

  test("of jsonb keeps every digit, and null of SQL and of JSON apart", async () => {
    const body = `{"code": "${code()}", "doc": {"n": 12345678901234567890.10, "e": 1e2}, "needed": null}`;
    const send = (method: string, path: string, json: string) =>
      fetch(urlOf(path), { method, body: json, headers: { "content-type": "application/json" } });
    const created = await send("POST", "/items", body);
    const answer = await created.text();
    expect([created.status, answer]).toEqual([201, expect.stringContaining('"n":12345678901234567890.10')]);
    const { id } = JSON.parse(answer);
    expect(await text("select doc ->> 'n' from items where id = $1", id)).toBe("12345678901234567890.10");
    // A column that is not null has the JSON value null.
    expect(await text("select needed::text from items where id = $1", id)).toBe("null");
    expect(await (await fetch(urlOf(`/items/${id}`))).text()).toBe(answer);
    await gateway.sql`update items set doc = 'null' where id = ${id}`;
    const read = (await request("GET", urlOf(`/items/${id}`))).body;
    expect(read.doc).toEqual({ "lockstep.jsonNull": true });
    await request("PATCH", urlOf(`/items/${id}`), { doc: null });
    expect(await text("select doc is null from items where id = $1", id)).toBe(true);
    await request("PATCH", urlOf(`/items/${id}`), { doc: read.doc });
    expect(await text("select doc::text from items where id = $1", id)).toBe("null");
  });

  test("of jsonb is changed by its members in a merge patch, and replaced by PUT", async () => {
    const sent = { code: code(), doc: { a: { b: 1, c: 2 }, d: [1, 2] }, needed: { x: 1 } };
    const path = urlOf(`/items/${(await post("/items", sent)).body.id}`);
    const patch = async (change: object) => (await request("PATCH", path, change)).body;
    expect((await patch({ doc: { a: { b: null, e: 3 }, d: [null] } })).doc).toEqual({ a: { c: 2, e: 3 }, d: [null] });
    expect((await patch({ doc: 5, needed: { x: null } })).needed).toEqual({});
    expect((await patch({ doc: { f: { g: null, h: 1 } } })).doc).toEqual({ f: { h: 1 } });
    const replaced = await request("PUT", path, { code: "x", doc: { i: null } });
    expect([replaced.body.doc, replaced.body.needed]).toEqual([{ i: null }, {}]);
    // Concurrent patches of different members are both kept.
    await Promise.all(Array.from({ length: 10 }, (_, i) => patch({ doc: { [`m${i}`]: i } })));
    expect(Object.keys((await request("GET", path)).body.doc as object)).toHaveLength(11);
  });

  test("that the database computes or sets is left to it, and other columns keep theirs", async () => {
    const created = await post("/items", { code: "Cup" });
    const { id, token, rank } = created.body as { id: string; token: string; rank: number };
    expect(created.body).toMatchObject({ label: "Cup!", needed: {}, price: null });
    expect([token.length, typeof rank]).toEqual([32, "number"]);
    expect((await post("/items", { code: "x", label: "y" })).body.errors).toEqual([
      { pointer: "/label", detail: "is read-only" },
    ]);
    const given = await post("/items", { code: code(), token: "mine", rank: 5 });
    expect(given.body).toMatchObject({ token: "mine", rank: 5 });
    await gateway.sql`update items set own = 'kept' where id = ${id}`;
    // A patch keeps what it does not name; a replacement resets it to its default.
    expect((await request("PATCH", urlOf(`/items/${id}`), { code: "Mug" })).body).toMatchObject({
      token,
      rank,
      label: "Mug!",
    });
    const replaced = (await request("PUT", urlOf(`/items/${id}`), { code: "Mug" })).body;
    expect([replaced.token === token, replaced.rank === rank]).toEqual([false, false]);
    // Null asks for the default of a member that cannot be null.
    const reset = (await request("PATCH", urlOf(`/items/${id}`), { rank: null, needed: null })).body;
    expect([typeof reset.rank, reset.rank === replaced.rank, reset.token === replaced.token]).toEqual([
      "number",
      false,
      true,
    ]);
    expect(await text("select own from items where id = $1", id)).toBe("kept");
  });

  test("that the database refuses is 422 with its member, for its client only", async () => {
    const wrong: [unknown, string[]][] = [
      [{ share: "100.01" }, ["/share"]],
      [{ zip: "123" }, ["/zip"]],
      [{ span: "-1 hour" }, ["/span"]],
      [{ small: 5, whole: 5 }, ["/small", "/whole"]],
      [{ valid: "[5,1]" }, ["/valid"]],
      [{ host: "300.1.1.1" }, ["/host"]],
      [{ span: "a while" }, ["/span"]],
      [{ numbers: "{1,x}" }, ["/numbers"]],
      [{ source: "{" }, ["/source"]],
    ];
    const answers = await Promise.all(
      Array.from({ length: 90 }, (_, i) =>
        post("/items", { code: code(), ...(i % 10 === 3 ? (wrong[(i - 3) / 10]![0] as object) : {}) }),
      ),
    );
    for (const [i, answer] of answers.entries())
      if (i % 10 !== 3) expect(answer.status).toBe(201);
      else {
        const [body, pointers] = wrong[(i - 3) / 10]!;
        expect([body, answer.status, answer.body.code, errorsOf(answer)]).toEqual([body, 422, "INVALID", pointers]);
      }
    const { id } = answers[0]!.body as { id: string };
    expect(errorsOf(await request("PATCH", urlOf(`/items/${id}`), { zip: "1" }))).toEqual(["/zip"]);
    expect((await request("PATCH", urlOf(`/items/${Bun.randomUUIDv7()}`), { zip: "1" })).status).toBe(404);
  });
});

describe("versions beside the table", () => {
  test("are in ETag, and conditions compare them", async () => {
    const { body } = await post("/items", { code: code() });
    const path = urlOf(`/items/${body.id}`);
    expect(body.version).toBeUndefined();
    const patch = (etag: string) => request("PATCH", path, { whole: 1 }, { "if-match": etag });
    expect((await patch('"2"')).status).toBe(412);
    expect((await patch('"1"')).headers.get("etag")).toBe('"2"');
    expect((await patch('"1"')).body.detail).toContain("is at version 2");
    const read = await request("GET", path);
    expect(read.headers.get("etag")).toBe('"2"');
    expect((await request("GET", path, undefined, { "if-none-match": '"2"' })).status).toBe(304);
    await gateway.sql`update items set whole = 2 where id = ${String(body.id)}`;
    expect((await request("GET", path)).headers.get("etag")).toBe('"3"');
    const accepted = await Promise.all(Array.from({ length: 10 }, () => patch('"3"')));
    expect(accepted.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(accepted.filter(({ status }) => status === 412)).toHaveLength(9);
    expect((await request("DELETE", path, undefined, { "if-match": '"3"' })).status).toBe(412);
    expect((await request("DELETE", path, undefined, { "if-match": '"4"' })).headers.get("etag")).toBe('"5"');
    const events = await eventsOf("item", body.id);
    expect(events.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5]);
  });

  test("a row that was there before has version 1", async () => {
    await gateway.sql`alter table tags disable trigger user`;
    await gateway.sql`insert into tags values ('old')`;
    await gateway.sql`select lockstep.capture('tags', 'tag')`;
    expect((await request("GET", urlOf("/tags/old"))).headers.get("etag")).toBe('"1"');
    const change = async () =>
      (await request("PATCH", urlOf("/tags/old"), {}, { "if-match": '"1"' })).headers.get("etag") === '"2"';
    await eventually(change, { timeoutMs: 10_000, what: "the gateway to notice that capture is whole" });
  });

  test("an idempotent write answers its version again", async () => {
    const body = { code: code(), exact: "1.500", doc: { n: 1 } };
    const headers = { "idempotency-key": code() };
    const [first, second] = [await post("/items", body, headers), await post("/items", body, headers)];
    expect(second.headers.get("idempotency-replayed")).toBe("true");
    expect([second.body, second.headers.get("etag")]).toEqual([first.body, first.headers.get("etag")]);
    expect(second.headers.get("location")).toBe(first.headers.get("location"));
    const remove = () => request("DELETE", urlOf(`/items/${first.body.id}`), undefined, headers);
    expect([(await remove()).headers.get("etag"), (await remove()).headers.get("etag")]).toEqual(['"2"', '"2"']);
  });

  test("a write that is not captured is refused, and nothing is changed", async () => {
    const { body } = await post("/items", { code: code(), whole: 1 });
    const statuses = new Set<unknown>();
    await gateway.sql`alter table items disable trigger user`;
    try {
      for (const answer of await Promise.all([
        ...Array.from({ length: 5 }, (_, i) => request("PATCH", urlOf(`/items/${body.id}`), { whole: i + 10 })),
        post("/items", { code: "uncaptured" }),
        request("DELETE", urlOf(`/items/${body.id}`)),
      ]))
        statuses.add(answer.body.code);
    } finally {
      await gateway.sql`select lockstep.capture('items', 'item')`;
    }
    expect([...statuses]).toEqual(["CAPTURE_INCOMPLETE"]);
    const again = async () => (await post("/items", { code: code() })).status === 201;
    await eventually(again, { timeoutMs: 10_000, what: "the gateway to notice that capture is whole" });
    expect(await text("select whole from items where id = $1", String(body.id))).toBe(1);
    expect(Number(await text("select count(*) from items where code = 'uncaptured'"))).toBe(0);
  });
});

describe("a reference", () => {
  test("to a parent that does not exist is 422 with the field, for its client only", async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => post("/items", { code: code(), category: i === 7 ? 123_456 : null })),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map((_, i) => (i === 7 ? 422 : 201)));
    expect(answers[7]!.body).toMatchObject({
      code: "INVALID",
      errors: [{ pointer: "/category", detail: "there is no category with this value" }],
    });
    const changed = await request("PATCH", urlOf(`/items/${answers[0]!.body.id}`), { category: 123_456 });
    expect([changed.status, errorsOf(changed)]).toEqual([422, ["/category"]]);
    expect(errorsOf(await post("/categories", { title: "x", parent: 123_456 }))).toEqual(["/parent"]);
    expect(errorsOf(await post("/orders", { customer: "Ana", country: "XX" }))).toEqual(["/country"]);
  });

  test("to an entity keeps it from being deleted: 409 with the entity that refers to it", async () => {
    const parent = (await post("/categories", { title: code().slice(0, 40) })).body.id as number;
    const removed = async () => {
      const { status, body } = await request("DELETE", urlOf(`/categories/${parent}`));
      return [status, body.code ?? null, String(body.detail ?? "")];
    };
    const item = (await post("/items", { code: code(), category: parent })).body.id;
    expect(await removed()).toEqual([409, "CONFLICT", expect.stringContaining("at least one item")]);
    await request("DELETE", urlOf(`/items/${item}`));
    const child = (await post("/categories", { title: "child", parent })).body.id;
    expect(await removed()).toEqual([409, "CONFLICT", expect.stringContaining("another category")]);
    await request("DELETE", urlOf(`/categories/${child}`));
    expect((await removed())[0]).toBe(204);
  });
});

describe("a document with children", () => {
  const newItem = async () => String((await post("/items", { code: code() })).body.id);
  const orderEvents = async (number: unknown) =>
    (await eventsOf("order", number)).map(({ version, operation, data }) => [
      version,
      operation,
      (data?.lines as unknown[] | undefined)?.length,
    ]);

  test("is one write, one version and one event, with all lines", async () => {
    const [a, b, c] = [await newItem(), await newItem(), await newItem()];
    const created = await post("/orders", {
      customer: "Ana",
      lines: [
        { line: 2, item: b, quantity: 1, source: '{"a": 1.0}' },
        { line: 1, item: a, quantity: 3, options: { gift: 1 } },
      ],
    });
    const { number } = created.body as { number: number };
    const today = new Date().toISOString().slice(0, 10);
    expect([created.status, created.headers.get("etag"), created.body]).toEqual([
      201,
      '"1"',
      {
        ...{ number, customer: "Ana", country: null, note: null },
        lines: [
          { order: number, line: 1, item: a, quantity: 3, options: { gift: 1 }, source: null, added: today },
          { order: number, line: 2, item: b, quantity: 1, options: null, source: '{"a": 1.0}', added: today },
        ],
      },
    ]);
    expect((await request("GET", urlOf(`/orders/${number}`))).body).toEqual(created.body);
    await gateway.sql`update order_lines set own = 'kept' where order_number = ${number} and line_no = 1`;
    const replaced = await request("PUT", urlOf(`/orders/${number}`), {
      customer: "Eva",
      lines: [
        { line: 1, item: a, quantity: 4 },
        { line: 3, item: c, quantity: 1 },
      ],
    });
    expect([replaced.status, replaced.headers.get("etag")]).toEqual([200, '"3"']);
    expect(replaced.body.lines).toMatchObject([
      { line: 1, quantity: 4, options: null },
      { line: 3, item: c },
    ]);
    expect(await text("select own from order_lines where order_number = $1 and line_no = 1", number)).toBe("kept");
    // A patch without the list keeps it, and with it replaces it.
    const patched = await request("PATCH", urlOf(`/orders/${number}`), { note: "x" });
    expect(patched.body.lines).toEqual(replaced.body.lines);
    const emptied = await request("PATCH", urlOf(`/orders/${number}`), { lines: [] }, { "if-match": '"4"' });
    expect([emptied.status, emptied.headers.get("etag"), emptied.body.lines]).toEqual([200, '"5"', []]);
    await gateway.sql`insert into order_lines (order_number, line_no, item_id, quantity) values (${number}, 9, ${a}, 1)`;
    expect((await request("GET", urlOf(`/orders/${number}`))).headers.get("etag")).toBe('"6"');
    expect((await request("PATCH", urlOf(`/orders/${number}`), {}, { "if-match": '"5"' })).status).toBe(412);
    const removed = await request("DELETE", urlOf(`/orders/${number}`));
    expect([removed.status, removed.headers.get("etag")]).toEqual([204, '"7"']);
    expect(await orderEvents(number)).toEqual([
      [1, "upserted", 2],
      [2, "upserted", 2],
      [3, "upserted", 2],
      [4, "upserted", 2],
      [5, "upserted", 0],
      [6, "upserted", 1],
      [7, "deleted", undefined],
    ]);
  });

  test("keeps its version in a column too, and its lines are deleted with it, without a cascade", async () => {
    const created = await post("/invoices", {
      ...{ tenant: 7, code: "2026/1" },
      payments: [{ method: "card", amount: "1.00" }],
    });
    expect(created.body).toEqual({
      ...{ tenant: 7, code: "2026/1", total: "0.00", version: 1 },
      payments: [{ tenant: 7, invoice: "2026/1", method: "card", amount: "1.00" }],
    });
    const path = urlOf(created.headers.get("location")!);
    const changed = await request("PATCH", path, { payments: [{ method: "cash", amount: "2.00" }] });
    expect(changed.body).toMatchObject({ tenant: 7 });
    expect([changed.headers.get("etag"), changed.body.version]).toEqual(['"2"', 2]);
    expect(changed.body.payments).toMatchObject([{ method: "cash", amount: "2.00" }]);
    expect((await request("GET", path)).body).toEqual(changed.body);
    expect((await request("DELETE", path)).status).toBe(204);
    const events = await eventsOf("invoice", "7,2026/1");
    expect(events.map(({ version, operation }) => [version, operation])).toEqual([
      [1, "upserted"],
      [2, "upserted"],
      [3, "deleted"],
    ]);
    expect(Number(await text("select count(*) from payments"))).toBe(0);
  });

  test("whose lines are wrong is 422 with the line, and nothing of it is written", async () => {
    const item = await newItem();
    const line = (given: object) => ({ line: 1, item, quantity: 1, ...given });
    const missing = code();
    const wrong: [lines: object[], status: number, pointers: string[]][] = [
      [[line({}), line({ line: 2, item: missing })], 422, ["/lines/1/item"]],
      [[line({ quantity: 0 })], 422, ["/lines"]],
      [[line({ quantity: 5_000 })], 422, ["/lines/0/quantity"]],
      [[line({}), line({})], 422, ["/lines/1/line"]],
      [[line({}), line({ line: 2 })], 409, ["/lines/0/item", "/lines/1/item"]],
      [[line({ order: 5 })], 422, ["/lines/0/order"]],
      [[line({ quantity: null })], 422, ["/lines/0/quantity"]],
    ];
    const before = await text("select count(*) from orders");
    for (const [lines, status, pointers] of wrong) {
      const answer = await post("/orders", { customer: "Ana", lines });
      expect([lines, answer.status, errorsOf(answer)]).toEqual([lines, status, pointers]);
    }
    expect(await text("select count(*) from orders")).toBe(before);
  });

  test("concurrent changes of one order have one version each, and the last one's lines", async () => {
    const item = await newItem();
    const { number } = (await post("/orders", { customer: "Ana" })).body as { number: number };
    const answers = await Promise.all([
      ...Array.from({ length: 10 }, (_, i) =>
        request("PATCH", urlOf(`/orders/${number}`), { lines: [{ line: i, item, quantity: i + 1 }] }),
      ),
      ...Array.from({ length: 5 }, () => gateway.sql`update orders set note = 'x' where number = ${number}`),
    ]);
    const versions = answers.slice(0, 10).map((answer) => (answer as { headers: Headers }).headers.get("etag"));
    expect(new Set(versions).size).toBe(10);
    const now = await request("GET", urlOf(`/orders/${number}`));
    expect(now.headers.get("etag")).toBe('"16"');
    expect(now.body.lines).toHaveLength(1);
    const events = await eventsOf("order", number);
    expect(events.map(({ version }) => version)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
    expect(events.at(-1)!.data!.lines).toMatchObject([
      { quantity: (now.body.lines as { quantity: number }[])[0]!.quantity },
    ]);
  });
});

test("an entity whose table has lost a declared column is 503, and others go on", async () => {
  await post("/countries", { code: "UY", name: "Uruguay" });
  await gateway.sql`alter table "Geo"."Country" rename column "Name" to "Title"`;
  try {
    for (const answer of [
      await post("/countries", { code: "BO", name: "Bolivia" }),
      await request("PATCH", urlOf("/countries/UY"), { name: "Uruguay" }),
      await request("GET", urlOf("/countries/UY")),
      await request("GET", urlOf("/countries")),
    ])
      expect(answer).toMatchObject({
        status: 503,
        body: { code: "UNAVAILABLE", detail: expect.stringContaining("differs from its declaration") },
      });
    expect((await post("/items", { code: code() })).status).toBe(201);
  } finally {
    await gateway.sql`alter table "Geo"."Country" rename column "Title" to "Name"`;
  }
  expect((await request("GET", urlOf("/countries/UY"))).body).toEqual({ code: "UY", name: "Uruguay" });
});
