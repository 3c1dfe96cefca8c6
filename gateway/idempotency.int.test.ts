/** I27: a key and its request get one write and one response, however often and at whichever gateway they are sent. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createLogger } from "../observability/logger.ts";
import { OpenApiChecker } from "../tests/harness/api-descriptions.ts";
import { type JsonResponse, requestWith } from "../tests/harness/client.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { outbox, type TestGateway, testGateway } from "../tests/harness/gateway.ts";
import { ISSUER, TestIssuer } from "../tests/harness/token-issuer.ts";
import { project } from "../tests/project/index.ts";
import { KeyExpiry } from "./idempotency.ts";
import { gatewayOpenApi } from "./openapi/document.ts";

/** Checks each response against the gateway's OpenAPI description. */
const fetchChecked = new OpenApiChecker(gatewayOpenApi(project)).checked(fetch);
const request = requestWith(fetchChecked);

/** Connections of each gateway's pool. */
const CONNECTIONS = 4;
let gateway: TestGateway;
let other: TestGateway;
beforeAll(async () => {
  gateway = await testGateway({ LOCKSTEP_DATABASE_POOL: String(CONNECTIONS) });
  other = await testGateway({ LOCKSTEP_DATABASE_POOL: String(CONNECTIONS), DATABASE_URL: gateway.databaseUrl });
}, 60_000);
afterAll(async () => {
  await other?.[Symbol.asyncDispose]();
  await gateway?.[Symbol.asyncDispose]();
});

const urlOf = (path = "", on = gateway) => `${on.url}/products${path}`;
const unused = () => Bun.randomUUIDv7();
const cup = (given: Record<string, unknown> = {}) => ({ sku: unused(), name: "Cup", price: "19.90", ...given });

/** Sends a request and returns the whole response: status, the headers of the write, and the body byte for byte. */
async function send(method: string, url: string, body: unknown, headers: Record<string, string>) {
  const response = await fetchChecked(url, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const writeHeaders = ["location", "etag", "sync-token"].map((name) => response.headers.get(name));
  return {
    response: [response.status, ...writeHeaders, await response.text()],
    replayed: response.headers.get("idempotency-replayed") === "true",
  };
}

/** The gateway's metric of replayed writes. */
const replays = async (on = gateway) =>
  Number(/^lockstep_replayed_writes_total\S* (\d+)$/m.exec(await (await fetch(`${on.url}/metrics`)).text())?.[1] ?? 0);

/**
 * Sends requests while the table of keys is locked, and releases them when statements wait for it.
 *
 * @param mode `exclusive` stops statements that store a key, `access exclusive` also those that look one up.
 * @param waiting number of statements that must wait.
 */
async function sendWhileKeysAreLocked<T>(
  mode: "exclusive" | "access exclusive",
  waiting: number,
  requests: () => readonly Promise<T>[],
): Promise<T[]> {
  const lock = await gateway.sql.reserve();
  try {
    await lock`begin`;
    await lock.unsafe(`lock table lockstep.idempotency_keys in ${mode} mode`);
    const sent = requests();
    // A statement of several writes stops waiting after 50 ms, and its writes wait one by one. These keep waiting.
    await eventually(
      async () =>
        (
          await gateway.sql`
            select from pg_stat_activity where datname = current_database() and application_name = 'lockstep-gateway'
              and wait_event_type = 'Lock' and query_start < clock_timestamp() - interval '100 ms'`
        ).length >= waiting,
      { timeoutMs: 10_000, what: `${waiting} statements to wait for the keys` },
    );
    await lock`commit`;
    return await Promise.all(sent);
  } finally {
    await lock`rollback`;
    lock.release();
  }
}

const createProduct = async () => String((await request("POST", urlOf(), cup())).body.id);

describe("the same key and the same request get the first response", () => {
  test("a create makes one product, also when it is repeated at another gateway", async () => {
    const [body, key] = [cup(), { "idempotency-key": unused() }];
    const first = await send("POST", urlOf(), body, key);
    expect([first.response[0], first.replayed]).toEqual([201, false]);
    const reordered = Object.fromEntries(Object.entries(body).reverse());
    for (const [url, sent] of [
      [urlOf(), body],
      [urlOf("", other), reordered],
    ] as const)
      expect(await send("POST", url, sent, key)).toEqual({ response: first.response, replayed: true });
    expect([await replays(), await replays(other)]).toEqual([1, 1]);
    const [count] = await gateway.sql`select count(*)::int as rows from products where sku = ${body.sku}`;
    expect(count).toEqual({ rows: 1 });
  });

  test("a change runs once, whatever was written since and whatever version its condition names", async () => {
    const id = await createProduct();
    const key = { "idempotency-key": unused(), "if-match": '"1"' };
    const first = await send("PATCH", urlOf(`/${id}`), { stock: 5 }, key);
    expect(first.response[2]).toBe('"2"');
    await request("PATCH", urlOf(`/${id}`), { stock: 9 });
    expect(await send("PATCH", urlOf(`/${id}`), { stock: 5 }, key)).toEqual({
      response: first.response,
      replayed: true,
    });
    expect((await request("GET", urlOf(`/${id}`))).body).toMatchObject({ stock: 9, version: 3 });
    expect((await outbox(gateway.sql, id)).map(({ version }) => version)).toEqual([1, 2, 3]);
  });

  test("a repeated DELETE is 204 again, and a repeated PUT returns its first response", async () => {
    const id = await createProduct();
    const [putKey, deleteKey] = [{ "idempotency-key": unused() }, { "idempotency-key": unused() }];
    const body = cup({ name: "Mug" });
    const first = await send("PUT", urlOf(`/${id}`), body, putKey);
    const deleted = await send("DELETE", urlOf(`/${id}`), undefined, deleteKey);
    expect(deleted.response.slice(0, 3)).toEqual([204, null, '"3"']);
    expect(await send("PUT", urlOf(`/${id}`), body, putKey)).toEqual({ response: first.response, replayed: true });
    expect(await send("DELETE", urlOf(`/${id}`), undefined, deleteKey)).toEqual({
      response: deleted.response,
      replayed: true,
    });
  });

  test("of concurrent requests with one key at two gateways exactly one writes", async () => {
    const [body, key] = [cup(), { "idempotency-key": unused() }];
    const others: Promise<JsonResponse>[] = [];
    const results = await sendWhileKeysAreLocked("access exclusive", 2 * CONNECTIONS, () => {
      const requests = Array.from({ length: 20 }, (_, i) =>
        send("POST", urlOf("", i % 2 ? other : gateway), body, key),
      );
      others.push(...Array.from({ length: 20 }, () => request("POST", urlOf(), cup())));
      return requests;
    });
    expect(results.filter(({ replayed }) => !replayed).length).toBe(1);
    expect(new Set(results.map(({ response }) => JSON.stringify(response))).size).toBe(1);
    for (const { status } of await Promise.all(others)) expect(status).toBe(201);
  });

  test("a key in quotation marks equals the bare key", async () => {
    const body = cup();
    const key = unused();
    await send("POST", urlOf(), body, { "idempotency-key": key });
    expect((await send("POST", urlOf(), body, { "idempotency-key": `"${key}"` })).replayed).toBe(true);
  });
});

describe("a key belongs to one request", () => {
  test("422 for another body, another product or another condition", async () => {
    const [id, another] = [await createProduct(), await createProduct()];
    const key = { "idempotency-key": unused() };
    await send("PATCH", urlOf(`/${id}`), { stock: 5 }, key);
    for (const [path, body, more] of [
      [`/${id}`, { stock: 6 }, {}],
      [`/${another}`, { stock: 5 }, {}],
      [`/${id}`, { stock: 5 }, { "if-match": '"1"' }],
    ] as const) {
      const { status, body: problem } = await request("PATCH", urlOf(path), body, { ...key, ...more });
      expect([status, problem.code, problem.detail]).toEqual([
        422,
        "KEY_REUSED",
        "Another request has used this Idempotency-Key. Repeat that request without changes, or send this one with a new key.",
      ]);
      expect(problem.errors).toEqual([{ pointer: "Idempotency-Key", detail: "belongs to another request" }]);
    }
    expect((await request("GET", urlOf(`/${another}`))).body.version).toBe(1);
  });

  test("each method has its own keys", async () => {
    const id = await createProduct();
    const key = { "idempotency-key": unused() };
    expect((await send("PATCH", urlOf(`/${id}`), { stock: 5 }, key)).response[0]).toBe(200);
    expect((await send("DELETE", urlOf(`/${id}`), undefined, key)).response[0]).toBe(204);
  });

  test("400 for an invalid key, and nothing is written", async () => {
    for (const key of ['""', "x".repeat(256), "a b", '"a', "é"]) {
      const { status, body } = await request("POST", urlOf(), cup(), { "idempotency-key": key });
      expect([status, body.code, body.detail]).toEqual([
        400,
        "MALFORMED",
        "The header Idempotency-Key must be 1 to 255 visible ASCII characters, in quotation marks or bare.",
      ]);
    }
  });
});

test("a rejected write stores no key and may be retried", async () => {
  const taken = cup();
  const first = await request("POST", urlOf(), taken);
  const key = { "idempotency-key": unused() };
  expect((await send("POST", urlOf(), taken, key)).response[0]).toBe(409);
  await request("DELETE", urlOf(`/${first.body.id}`));
  const retried = await send("POST", urlOf(), taken, key);
  expect([retried.response[0], retried.replayed]).toEqual([201, false]);
});

describe("a write that waits for a concurrent write with the same key returns its result", () => {
  test("a create", async () => {
    const [body, key] = [cup(), { "idempotency-key": unused() }];
    const [one, two] = await sendWhileKeysAreLocked("exclusive", 2, () =>
      [gateway, other].map((on) => send("POST", urlOf("", on), body, key)),
    );
    expect(one!.response).toEqual(two!.response);
    expect([one!.replayed, two!.replayed].sort()).toEqual([false, true]);
  });

  test("a change, which no unique value protects", async () => {
    const id = await createProduct();
    const key = { "idempotency-key": unused() };
    const [one, two] = await sendWhileKeysAreLocked("exclusive", 2, () =>
      [gateway, other].map((on) => send("PATCH", urlOf(`/${id}`, on), { stock: 5 }, key)),
    );
    expect(one!.response).toEqual(two!.response);
    expect([one!.replayed, two!.replayed].sort()).toEqual([false, true]);
    expect((await outbox(gateway.sql, id)).map(({ version }) => version)).toEqual([1, 2]);
  });
});

test("P13: two clients with the same key write twice, and neither sees the other's result", async () => {
  using issuer = await TestIssuer.start();
  await using authorized = await testGateway({
    DATABASE_URL: gateway.databaseUrl,
    LOCKSTEP_AUTH: "jwt",
    LOCKSTEP_AUTH_ISSUER: ISSUER,
    LOCKSTEP_AUTH_JWKS: issuer.url,
  });
  const id = await createProduct();
  const key = unused();
  const change = async (client: string) => {
    const authorization = `Bearer ${await issuer.token({ claims: { sub: client } })}`;
    const url = urlOf(`/${id}`, authorized);
    return await send("PATCH", url, { stock: 5 }, { authorization, "idempotency-key": key });
  };
  const [maria, pedro, again] = [await change("maria"), await change("pedro"), await change("maria")];
  expect([maria, pedro].map(({ response: [status, , etag], replayed }) => [status, etag, replayed])).toEqual([
    [200, '"2"', false],
    [200, '"3"', false],
  ]);
  expect(again).toEqual({ response: maria.response, replayed: true });
  expect((await outbox(gateway.sql, id)).map(({ actor }) => actor)).toEqual([null, "maria", "pedro"]);
});

test("keys are deleted when they expire, and not before", async () => {
  const [old, young] = [unused(), unused()];
  const body = { [old]: cup(), [young]: cup() };
  for (const key of [old, young]) await send("POST", urlOf(), body[key], { "idempotency-key": key });
  await gateway.sql`
    update lockstep.idempotency_keys set at = now() - interval '25 hours'
    where doc ->> 'sku' = ${String(body[old]!.sku)}`;
  using keyExpiry = new KeyExpiry(
    { query: async (work) => await work(gateway.sql) },
    24,
    createLogger("gateway", "1", "silent"),
  );
  await keyExpiry.deleteExpired();
  expect((await send("POST", urlOf(), body[young], { "idempotency-key": young })).replayed).toBe(true);
  // The request is new to the gateway: the sku is taken.
  expect((await send("POST", urlOf(), body[old], { "idempotency-key": old })).response[0]).toBe(409);
});
