import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import postgres from "postgres";
import { encodeSyncToken } from "../contracts/sync-token.ts";
import { OpenApiChecker } from "../tests/harness/api-descriptions.ts";
import { validOrBrokenDocuments } from "../tests/harness/arbitrary-documents.ts";
import { type JsonResponse, requestWith } from "../tests/harness/client.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { outbox, type TestGateway, testGateway } from "../tests/harness/gateway.ts";
import { project } from "../tests/project/index.ts";
import { gatewayOpenApi } from "./openapi/document.ts";

let gateway: TestGateway;
/** Checks each response against the gateway's OpenAPI description. */
const api = new OpenApiChecker(gatewayOpenApi(project));
const fetchChecked = api.checked(fetch);
const request = requestWith(fetchChecked);
beforeAll(async () => {
  gateway = await testGateway();
}, 60_000);
afterAll(() => gateway?.[Symbol.asyncDispose]());

const urlOf = (path = "") => `${gateway.url}/products${path}`;
const unused = () => Bun.randomUUIDv7();
const cup = (given: Record<string, unknown> = {}) => ({ sku: unused(), name: "Cup", price: "19.90", ...given });
const create = async (given: Record<string, unknown> = {}): Promise<JsonResponse & { id: string }> => {
  const response = await request("POST", urlOf(), cup(given));
  return { ...response, id: String(response.body.id) };
};

/** Checks the members of a problem (RFC 9457). @param members further members of this problem. */
const expectProblem = (response: JsonResponse, status: number, code: string, members: Record<string, unknown> = {}) => {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(response.body).toMatchObject({
    type: `/problems/${code.toLowerCase().replaceAll("_", "-")}`,
    title: expect.any(String),
    detail: expect.any(String),
    instance: expect.stringMatching(/^\/products/),
    status,
    code,
    ...members,
  });
  expect(response.status).toBe(status);
};

describe("POST", () => {
  test("returns 201 with the product, its Location, its version as ETag, and a sync token", async () => {
    const { status, headers, body } = await request("POST", urlOf(), cup({ tags: ["a"] }));
    const id = String(body.id);
    expect(status).toBe(201);
    expect(body).toMatchObject({ name: "Cup", price: "19.90", cost: "0.00", stock: 0, tags: ["a"], version: 1 });
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(headers.get("location")).toBe(`/products/${id}`);
    expect(headers.get("etag")).toBe('"1"');
    expect(headers.get("sync-token")).toBe(encodeSyncToken([{ plural: "products", id, version: 1 }]));
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(new Date(String(body.createdAt)).toISOString()).toBe(String(body.createdAt));
    expect((await request("GET", urlOf(`/${id}`))).body).toEqual(body);
  });

  test("409 names the member whose value is taken", async () => {
    const { body } = await create();
    expectProblem(await request("POST", urlOf(), cup({ sku: body.sku })), 409, "CONFLICT", {
      errors: [{ pointer: "/sku", detail: "is taken" }],
    });
  });

  test("400, 413, 415 and 422 name the error", async () => {
    const type = { "content-type": "application/json" };
    const sent = async (body: string, headers: Record<string, string> = type): Promise<JsonResponse> => {
      const response = await fetchChecked(urlOf(), { method: "POST", body, headers });
      return {
        status: response.status,
        headers: response.headers,
        body: (await response.json()) as JsonResponse["body"],
      };
    };
    expectProblem(await sent("{"), 400, "MALFORMED");
    expectProblem(await sent("[".repeat(200_000)), 400, "MALFORMED");
    expectProblem(await sent(JSON.stringify("x".repeat(262_144))), 413, "TOO_LARGE");
    expectProblem(await sent(JSON.stringify("x".repeat(20_000_000))), 413, "TOO_LARGE");
    expectProblem(await sent("{}", { "content-type": "text/plain" }), 415, "UNSUPPORTED_MEDIA_TYPE");
    expectProblem(await sent('{"sku":"x","price":1,"id":"x"}'), 422, "INVALID", {
      errors: [
        { pointer: "/name", detail: "is required" },
        { pointer: "/price", detail: expect.any(String) },
        { pointer: "/id", detail: "is read-only" },
      ],
    });
  });
});

describe("GET of one", () => {
  test("returns 304 without a body while the client has the current version", async () => {
    const { id } = await create();
    const unchanged = await request("GET", urlOf(`/${id}`), undefined, { "if-none-match": '"1"' });
    expect([unchanged.status, unchanged.headers.get("etag"), unchanged.body]).toEqual([304, '"1"', {}]);
    expect((await request("GET", urlOf(`/${id}`), undefined, { "if-none-match": '"2"' })).status).toBe(200);
    expectProblem(await request("GET", urlOf(`/${id}`), undefined, { "if-none-match": "1" }), 400, "MALFORMED");
  });

  test("accepts an id in upper case (RFC 9562)", async () => {
    const { id } = await create();
    expect((await request("GET", urlOf(`/${id.toUpperCase()}`))).body.id).toBe(id);
  });

  test("404 for an unknown id, and for an invalid id", async () => {
    for (const id of [unused(), "7", "%00", "%ff", "x".repeat(5_000)])
      expectProblem(await request("GET", urlOf(`/${id}`)), 404, "NOT_FOUND");
  });

  test("HEAD returns the headers of GET without the body", async () => {
    const { id } = await create();
    const { status, headers, body } = await request("HEAD", urlOf(`/${id}`));
    expect([status, headers.get("etag"), body]).toEqual([200, '"1"', {}]);
  });
});

describe("GET of many", () => {
  test("pages contain every product once, in the order of ids, while rows are inserted and deleted", async () => {
    const created: string[] = [];
    for (let i = 0; i < 25; i++) created.push((await create()).id);
    const listed: string[] = [];
    let next: string | undefined = "/products?limit=10";
    while (next) {
      const { body, headers } = await request("GET", `${gateway.url}${next}`);
      listed.push(...(body.items as { id: string }[]).map(({ id }) => id));
      next = /^<(.*)>; rel="next"$/.exec(headers.get("link") ?? "")?.[1];
      expect(next?.includes(`cursor=${body.nextCursor}`) ?? body.nextCursor === null).toBe(true);
      // The row that the cursor names is deleted. Its place in the order stays.
      await request("DELETE", urlOf(`/${listed.at(-1)}`));
    }
    expect(listed).toEqual([...new Set(listed)].sort());
    for (const id of created) expect(listed).toContain(id);
  });

  test("a page has 20 products by default, or a limit from 1 to 100", async () => {
    await gateway.sql`
      insert into products (sku, name, price) select ${unused()} || n, 'Cup', 1 from generate_series(1, 120) n`;
    const count = async (query: string) => ((await request("GET", urlOf(query))).body.items as unknown[]).length;
    expect([await count(""), await count("?limit=1"), await count("?limit=100")]).toEqual([20, 1, 100]);
    for (const query of [
      "?limit=0",
      "?limit=101",
      "?limit=-1",
      "?limit=",
      "?limit=1e1",
      "?limit=x",
      "?cursor=",
      "?cursor=eA",
    ])
      expectProblem(await request("GET", urlOf(query)), 400, "MALFORMED");
  });
});

describe("PUT", () => {
  test("replaces the whole product: a missing member gets its initial value", async () => {
    const { id, body } = await create({ stock: 5, description: "old" });
    const { status, headers, body: replaced } = await request("PUT", urlOf(`/${id}`), cup({ name: "Mug" }));
    expect([status, headers.get("etag"), headers.get("sync-token")]).toEqual([
      200,
      '"2"',
      encodeSyncToken([{ plural: "products", id, version: 2 }]),
    ]);
    expect(replaced).toMatchObject({
      id,
      name: "Mug",
      stock: 0,
      description: "",
      version: 2,
      createdAt: body.createdAt,
    });
  });

  test("PUT and PATCH reject what POST rejects: 409, 413, 415, 422", async () => {
    const [{ id }, { body: other }] = [await create(), await create()];
    const large = { ...cup(), description: "x".repeat(262_144) };
    for (const method of ["PUT", "PATCH"] as const) {
      const send = (body: unknown, headers = {}) => request(method, urlOf(`/${id}`), body, headers);
      expectProblem(await send(cup({ sku: other.sku })), 409, "CONFLICT");
      expectProblem(await send(large), 413, "TOO_LARGE");
      expectProblem(await send(cup(), { "content-type": "text/plain" }), 415, "UNSUPPORTED_MEDIA_TYPE");
      expectProblem(await send({ ...cup(), name: null }), 422, "INVALID", {
        errors: [{ pointer: "/name", detail: expect.any(String) }],
      });
    }
    expect((await request("GET", urlOf(`/${id}`))).body.version).toBe(1);
  });

  test("creates nothing: 404 for an unknown id, 422 for an incomplete product, 409 for a taken value", async () => {
    const [one, other] = [await create(), await create()];
    expectProblem(await request("PUT", urlOf(`/${unused()}`), cup()), 404, "NOT_FOUND");
    expectProblem(await request("PUT", urlOf(`/${one.id}`), { name: "Mug" }), 422, "INVALID");
    expectProblem(await request("PUT", urlOf(`/${one.id}`), cup({ sku: other.body.sku })), 409, "CONFLICT");
    expect((await request("GET", urlOf(`/${one.id}`))).body).toEqual(one.body);
  });
});

describe("PATCH", () => {
  test("accepts a merge patch, also as application/merge-patch+json, and no other patch format", async () => {
    const { id } = await create({ stock: 5, description: "old" });
    const merge = { "content-type": "application/merge-patch+json" };
    const { status, body } = await request("PATCH", urlOf(`/${id}`), { description: null, stock: 6 }, merge);
    expect([status, body.description, body.stock, body.name]).toEqual([200, "", 6, "Cup"]);
    const other = { "content-type": "application/json-patch+json" };
    expectProblem(await request("PATCH", urlOf(`/${id}`), [], other), 415, "UNSUPPORTED_MEDIA_TYPE");
  });

  test("an empty patch is a write: the version rises and nothing else changes", async () => {
    const { id, body } = await create();
    const patched = await request("PATCH", urlOf(`/${id}`), {});
    expect(patched.body).toEqual({ ...body, version: 2, updatedAt: expect.any(String) });
    expect(await outbox(gateway.sql, id)).toHaveLength(2);
  });

  test("concurrent patches of different members are all kept", async () => {
    const { id } = await create();
    const changes = [
      { stock: 7 },
      { name: "Mug" },
      { price: "5.00" },
      { cost: "2.00" },
      { tags: ["a"] },
      { description: "new" },
    ];
    await Promise.all(changes.map((change) => request("PATCH", urlOf(`/${id}`), change)));
    expect((await request("GET", urlOf(`/${id}`))).body).toMatchObject({
      ...Object.assign({}, ...changes),
      version: 7,
    });
  });

  test("any series of patches has the result of RFC 7396", async () => {
    const values = {
      name: fc.string({ minLength: 1, maxLength: 20 }).filter((s) => s.isWellFormed() && !s.includes("\u0000")),
      description: fc.option(fc.constantFrom("", "text", "ünïcödé 🥤"), { nil: null }),
      stock: fc.option(fc.nat(1_000), { nil: null }),
      cost: fc.option(fc.constantFrom("0.00", "0.10", "9999999999.99"), { nil: null }),
      status: fc.option(fc.constantFrom("draft", "active"), { nil: null }),
      tags: fc.option(fc.uniqueArray(fc.constantFrom("a", "b", 'c"d', "e,f", "{}", "NULL")), { nil: null }),
    };
    const initial: Record<string, unknown> = { description: "", stock: 0, cost: "0.00", status: "draft", tags: [] };
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record(values, { requiredKeys: [] }), { maxLength: 5 }), async (patches) => {
        const { id, body } = await create();
        let expected = body;
        for (const patch of patches) {
          const patched = await request("PATCH", urlOf(`/${id}`), patch);
          const set = Object.entries(patch).map(([key, value]) => [key, value === null ? initial[key] : value]);
          expected = { ...expected, ...Object.fromEntries(set), version: Number(expected.version) + 1 };
          expect(patched.body).toEqual({ ...expected, updatedAt: patched.body.updatedAt });
        }
      }),
      { numRuns: 25 },
    );
  });
});

describe("DELETE", () => {
  test("returns 204 with the tombstone's version and a sync token; the product is deleted", async () => {
    const { id } = await create();
    const { status, headers, body } = await request("DELETE", urlOf(`/${id}`));
    expect([status, headers.get("etag"), body]).toEqual([204, '"2"', {}]);
    expect(headers.get("sync-token")).toBe(encodeSyncToken([{ plural: "products", id, version: 2 }]));
    for (const method of ["GET", "DELETE"]) expectProblem(await request(method, urlOf(`/${id}`)), 404, "NOT_FOUND");
    expectProblem(await request("PATCH", urlOf(`/${id}`), {}), 404, "NOT_FOUND");
    expect((await outbox(gateway.sql, id)).map((row) => [row.version, row.operation])).toEqual([
      [1, "upserted"],
      [2, "deleted"],
    ]);
  });
});

describe("If-Match", () => {
  const writes = [
    ["PUT", () => cup()],
    ["PATCH", () => ({ stock: 1 })],
    ["DELETE", () => undefined],
  ] as const;

  for (const [method, body] of writes)
    test(`${method}: 412 for another version, and nothing is changed`, async () => {
      const { id, body: created } = await create();
      for (const header of ['"2"', 'W/"1"', '"one"'])
        expectProblem(
          await request(method, urlOf(`/${id}`), body(), { "if-match": header }),
          412,
          "PRECONDITION_FAILED",
          {
            detail: expect.stringContaining("is at version 1"),
          },
        );
      expectProblem(
        await request(method, urlOf(`/${id}`), body(), { "if-none-match": "*" }),
        412,
        "PRECONDITION_FAILED",
      );
      expectProblem(await request(method, urlOf(`/${id}`), body(), { "if-match": "1" }), 400, "MALFORMED");
      expectProblem(await request(method, urlOf(`/${unused()}`), body(), { "if-match": '"1"' }), 404, "NOT_FOUND");
      expect((await request("GET", urlOf(`/${id}`))).body).toEqual(created);
      expect((await request(method, urlOf(`/${id}`), body(), { "if-match": '"5", "1"' })).status).toBeOneOf([200, 204]);
    });

  test("of twenty writers that read the same version exactly one succeeds, in each of five rounds", async () => {
    const { id } = await create();
    for (let version = 1; version <= 5; version++) {
      const responses = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          request("PATCH", urlOf(`/${id}`), { stock: i }, { "if-match": `"${version}"` }),
        ),
      );
      expect(responses.map(({ status }) => status).sort()).toEqual([200, ...Array(19).fill(412)]);
      const winner = responses.find(({ status }) => status === 200)!;
      expect((await request("GET", urlOf(`/${id}`))).body).toEqual(winner.body);
    }
  });
});

test("P14: a refusal says what was refused, which value, and what to do", async () => {
  const { id } = await create();
  const [missing, path] = [unused(), `/${id}`];
  const tags = 'must be a list of entity tags like "7", or *';
  const again = "Read it again and repeat the change.";
  const patch = (headers: Record<string, string>, of = path) => ["PATCH", of, { stock: 1 }, headers] as const;
  for (const [[method, on, body, headers], detail] of [
    [["GET", "?limit=0", undefined, {}], "The query parameter limit must be a whole number from 1 to 100."],
    [["GET", "?cursor=x", undefined, {}], "The query parameter cursor must be the nextCursor of a page."],
    [["GET", `/${missing}`, undefined, {}], `There is no product ${missing}.`],
    [["GET", "/7", undefined, {}], "There is no product 7. An id is a UUID."],
    [["GET", path, undefined, { "if-none-match": "7" }], `The header If-None-Match ${tags}.`],
    [patch({ "if-match": "7" }), `The header If-Match ${tags}.`],
    [patch({ "if-none-match": '"7"' }), "The header If-None-Match must be * in a write."],
    [
      patch({ "if-match": '"7"' }),
      `product ${id} is at version 1, which the request's condition does not accept. ${again}`,
    ],
    [patch({}, `/${missing}`), `There is no product ${missing}.`],
    [["DELETE", `/${missing}`, undefined, {}], `There is no product ${missing}.`],
    [patch({ "sync-token": "x" }), "The header Sync-Token contains a token that no write returned."],
  ] as const) {
    const response = await request(method, urlOf(on), body, headers);
    expect([method, on, response.body.detail]).toEqual([method, on, detail]);
  }
  expect((await request("GET", urlOf(path))).body.version).toBe(1);
});

test("of two writes under one version, the one that waits for the other's row lock is told that it was changed", async () => {
  const { id } = await create();
  const holder = await gateway.sql.reserve();
  await holder`begin`;
  await holder`update products set stock = 7 where id = ${id}`;
  const response = request("PATCH", urlOf(`/${id}`), { stock: 1 }, { "if-match": '"1"' });
  await eventually(
    async () =>
      (
        await gateway.sql`
          select from pg_stat_activity where datname = current_database() and application_name = 'lockstep-gateway'
            and wait_event_type = 'Lock'`
      ).length > 0,
    { timeoutMs: 10_000, what: "the change to wait for the row" },
  );
  await holder`commit`;
  holder.release();
  expectProblem(await response, 412, "PRECONDITION_FAILED", {
    detail: `product ${id} was changed by another request at the same time. Read it again and repeat the change.`,
  });
});

describe("unknown methods and paths", () => {
  test("405 names the allowed methods, and OPTIONS names them without an error", async () => {
    const { id } = await create();
    for (const [method, path, allow] of [
      ["DELETE", "", "GET, HEAD, OPTIONS, POST"],
      ["PUT", "", "GET, HEAD, OPTIONS, POST"],
      ["POST", `/${id}`, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"],
    ] as const) {
      const response = await request(method, urlOf(path));
      expectProblem(response, 405, "METHOD_NOT_ALLOWED");
      expect(response.headers.get("allow")).toBe(allow);
      const options = await request("OPTIONS", urlOf(path));
      expect([options.status, options.headers.get("allow")]).toEqual([204, allow]);
    }
  });

  test("404 for a path without a resource", async () => {
    for (const path of ["/", "/x/y", "s"]) expectProblem(await request("GET", urlOf(path)), 404, "NOT_FOUND");
    expect((await request("OPTIONS", urlOf("/"))).status).toBe(404);
  });
});

describe("the trace of a write", () => {
  const rowsOf = async (id: string) => (await outbox(gateway.sql, id)).map((row) => row.traceparent);

  test("continues the client's trace, for each kind of write", async () => {
    const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    const { body } = await request("POST", urlOf(), cup(), { traceparent });
    const id = String(body.id);
    await request("PATCH", urlOf(`/${id}`), { stock: 1 }, { traceparent });
    await request("DELETE", urlOf(`/${id}`), undefined, { traceparent });
    expect(await rowsOf(id)).toEqual([traceparent, traceparent, traceparent]);
  });

  test("starts with the write when the client's trace is missing or malformed", async () => {
    const { body } = await request("POST", urlOf(), cup(), { traceparent: "00-zero-zero-01" });
    const id = String(body.id);
    await request("PATCH", urlOf(`/${id}`), { stock: 1 });
    const traces = await rowsOf(id);
    for (const trace of traces) expect(trace).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(new Set(traces).size).toBe(2);
  });

  test("has its id in the problem of a rejected write", async () => {
    const traceparent = `00-${"c".repeat(32)}-${"d".repeat(16)}-01`;
    const response = await request("PATCH", urlOf(`/${unused()}`), { stock: 1 }, { traceparent });
    expectProblem(response, 404, "NOT_FOUND", { traceId: "c".repeat(32) });
  });
});

test("a body is accepted if and only if it matches the schema of the description", async () => {
  const { NewProduct } = api.document.components.schemas;
  const matches = api.schema(NewProduct!);
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(validOrBrokenDocuments(NewProduct!), async (body) => {
      const { status } = await request("POST", urlOf(), body);
      accepted += status === 201 ? 1 : 0;
      expect(status).toBeOneOf(matches(body) ? [201, 409] : [422]);
    }),
    { numRuns: 200 },
  );
  expect(accepted).toBeGreaterThan(20);
});

test("a value that the declaration allows and the table rejects is 422 with the member", async () => {
  await gateway.sql`alter table products add constraint products_name_check1 check (name <> 'Forbidden') not valid`;
  await gateway.sql`alter table products drop constraint products_stock_check`;
  await gateway.sql`alter table products add constraint products_stock_check check (stock <> 13) not valid`;
  expectProblem(await request("POST", urlOf(), cup({ stock: 13 })), 422, "INVALID", {
    errors: [{ pointer: "/stock", detail: "the database does not accept this value" }],
  });
  expectProblem(await request("POST", urlOf(), cup({ name: "Forbidden" })), 422, "INVALID", {
    detail: "The database does not accept these values.",
  });
});

test("a delete of a row that another table refers to is 422, and the product stays", async () => {
  await gateway.sql`create table orders (product uuid references products)`;
  const { id } = await create();
  await gateway.sql`insert into orders values (${id})`;
  expectProblem(await request("DELETE", urlOf(`/${id}`)), 422, "INVALID");
  expect((await request("GET", urlOf(`/${id}`))).status).toBe(200);
});

test("a delete that a trigger of the database skips is 409, and the product stays", async () => {
  await gateway.sql.unsafe(`
    create function keep() returns trigger language plpgsql as $$ begin return null; end $$;
    create trigger keep before delete on products for each row when (old.name = 'Kept') execute function keep()`);
  const { id } = await create({ name: "Kept" });
  expectProblem(await request("DELETE", urlOf(`/${id}`)), 409, "SKIPPED");
  expect((await request("GET", urlOf(`/${id}`))).status).toBe(200);
});

test("a write that PostgreSQL undoes to end a deadlock runs again", async () => {
  const { id } = await create();
  const sku = unused();
  const other = postgres(gateway.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    // This session checks for deadlocks late, so the gateway's statement detects this one first and is undone.
    await other.unsafe(
      `begin; set local deadlock_timeout = '60s'; insert into products (sku, name, price) values ('${sku}', 'Cup', 1)`,
    );
    const response = request("PATCH", urlOf(`/${id}`), { sku });
    const waiting = () =>
      gateway.sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    await eventually(async () => (await waiting()).length, {
      timeoutMs: 10_000,
      what: "the gateway's statement to wait for the value",
    });
    await other`update products set stock = 1 where id = ${id}`;
    await other`rollback`;
    expect(await response).toMatchObject({ status: 200, body: { sku, stock: 0, version: 2 } });
  } finally {
    await other.end({ timeout: 1 });
  }
});

test("these tests see every described response, except those of authorization and of a failed source", () => {
  const unseen = api
    .responsesOf("products")
    .filter((response) => !api.checkedResponses.has(response) && !/ (401|403|500|503)$/.test(response));
  expect(unseen).toEqual([]);
});
