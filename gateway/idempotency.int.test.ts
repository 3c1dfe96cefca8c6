/** I27: a key and what was asked with it get one write and one answer, however often and wherever they are asked. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createLogger } from "../observability/logger.ts";
import { requestBy } from "../tests/harness/client.ts";
import { DescribedApi } from "../tests/harness/described.ts";
import { outbox, type TestGateway, testGateway } from "../tests/harness/gateway.ts";
import { KeyExpiry } from "./idempotency.ts";
import { gatewayOpenApi } from "./openapi/document.ts";

/** Each answer is judged by what the gateway says of itself. */
const ask = new DescribedApi(gatewayOpenApi()).judged(fetch);
const request = requestBy(ask);

let gateway: TestGateway;
let other: TestGateway;
beforeAll(async () => {
  gateway = await testGateway();
  other = await testGateway({ DATABASE_URL: gateway.databaseUrl });
}, 60_000);
afterAll(async () => {
  await other?.[Symbol.asyncDispose]();
  await gateway?.[Symbol.asyncDispose]();
});

const at = (path = "", on = gateway) => `${on.url}/products${path}`;
const unused = () => Bun.randomUUIDv7();
const cup = (given: Record<string, unknown> = {}) => ({ sku: unused(), name: "Cup", price: "19.90", ...given });

/** An answer to the byte, with the headers that say something of the write. */
async function whole(method: string, url: string, body: unknown, headers: Record<string, string>) {
  const response = await ask(url, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const told = ["location", "etag", "sync-token"].map((name) => response.headers.get(name));
  return {
    answer: [response.status, ...told, await response.text()],
    again: response.headers.get("idempotency-replayed") === "true",
  };
}

/** What the gateway counts. */
const replays = async (on = gateway) =>
  Number(/^lockstep_replayed_writes_total\S* (\d+)$/m.exec(await (await fetch(`${on.url}/metrics`)).text())?.[1] ?? 0);

const made = async () => String((await request("POST", at(), cup())).body.id);

describe("the same key and the same request get the first answer", () => {
  test("a create makes one product, here and at another gateway", async () => {
    const [body, key] = [cup(), { "idempotency-key": unused() }];
    const first = await whole("POST", at(), body, key);
    expect([first.answer[0], first.again]).toEqual([201, false]);
    const reordered = Object.fromEntries(Object.entries(body).reverse());
    for (const [url, sent] of [
      [at(), body],
      [at("", other), reordered],
    ] as const)
      expect(await whole("POST", url, sent, key)).toEqual({ answer: first.answer, again: true });
    expect([await replays(), await replays(other)]).toEqual([1, 1]);
    const [count] = await gateway.sql`select count(*)::int as rows from products where sku = ${body.sku}`;
    expect(count).toEqual({ rows: 1 });
  });

  test("a change is made once, whatever came after it and whatever version its condition named", async () => {
    const id = await made();
    const key = { "idempotency-key": unused(), "if-match": '"1"' };
    const first = await whole("PATCH", at(`/${id}`), { stock: 5 }, key);
    expect(first.answer[2]).toBe('"2"');
    await request("PATCH", at(`/${id}`), { stock: 9 });
    expect(await whole("PATCH", at(`/${id}`), { stock: 5 }, key)).toEqual({ answer: first.answer, again: true });
    expect((await request("GET", at(`/${id}`))).body).toMatchObject({ stock: 9, version: 3 });
    expect((await outbox(gateway.sql, id)).map(({ version }) => version)).toEqual([1, 2, 3]);
  });

  test("a delete stays 204, and PUT its answer", async () => {
    const id = await made();
    const [put, gone] = [{ "idempotency-key": unused() }, { "idempotency-key": unused() }];
    const body = cup({ name: "Mug" });
    const first = await whole("PUT", at(`/${id}`), body, put);
    const deleted = await whole("DELETE", at(`/${id}`), undefined, gone);
    expect(deleted.answer.slice(0, 3)).toEqual([204, null, '"3"']);
    expect(await whole("PUT", at(`/${id}`), body, put)).toEqual({ answer: first.answer, again: true });
    expect(await whole("DELETE", at(`/${id}`), undefined, gone)).toEqual({ answer: deleted.answer, again: true });
  });

  test("also when all come at once, at two gateways, among others: one carries it out", async () => {
    const [body, key] = [cup(), { "idempotency-key": unused() }];
    const asked = Array.from({ length: 20 }, (_, i) => whole("POST", at("", i % 2 ? other : gateway), body, key));
    const others = Array.from({ length: 20 }, () => request("POST", at(), cup()));
    const answers = await Promise.all(asked);
    expect(answers.filter(({ again }) => !again).length).toBe(1);
    expect(new Set(answers.map(({ answer }) => JSON.stringify(answer))).size).toBe(1);
    for (const { status } of await Promise.all(others)) expect(status).toBe(201);
  });

  test("a key in quotation marks is the same as without", async () => {
    const body = cup();
    const key = unused();
    await whole("POST", at(), body, { "idempotency-key": key });
    expect((await whole("POST", at(), body, { "idempotency-key": `"${key}"` })).again).toBe(true);
  });
});

describe("a key goes with one request", () => {
  test("422 for another body, another product or another condition", async () => {
    const [id, another] = [await made(), await made()];
    const key = { "idempotency-key": unused() };
    await whole("PATCH", at(`/${id}`), { stock: 5 }, key);
    for (const [path, body, more] of [
      [`/${id}`, { stock: 6 }, {}],
      [`/${another}`, { stock: 5 }, {}],
      [`/${id}`, { stock: 5 }, { "if-match": '"1"' }],
    ] as const) {
      const { status, body: problem } = await request("PATCH", at(path), body, { ...key, ...more });
      expect([status, problem.code]).toEqual([422, "KEY_REUSED"]);
    }
    expect((await request("GET", at(`/${another}`))).body.version).toBe(1);
  });

  test("each method has keys of its own", async () => {
    const id = await made();
    const key = { "idempotency-key": unused() };
    expect((await whole("PATCH", at(`/${id}`), { stock: 5 }, key)).answer[0]).toBe(200);
    expect((await whole("DELETE", at(`/${id}`), undefined, key)).answer[0]).toBe(204);
  });

  test("400 for what is no key, before anything is written", async () => {
    for (const key of ['""', "x".repeat(256), "a b", '"a', "é"]) {
      const { status, body } = await request("POST", at(), cup(), { "idempotency-key": key });
      expect([status, body.code]).toEqual([400, "MALFORMED"]);
    }
  });
});

test("what was refused is not remembered: it has changed nothing, and may be tried again", async () => {
  const taken = cup();
  const first = await request("POST", at(), taken);
  const key = { "idempotency-key": unused() };
  expect((await whole("POST", at(), taken, key)).answer[0]).toBe(409);
  await request("DELETE", at(`/${first.body.id}`));
  const tried = await whole("POST", at(), taken, key);
  expect([tried.answer[0], tried.again]).toEqual([201, false]);
});

test("a write that another one of the same key holds up hears of it when that one is committed", async () => {
  const [body, key] = [cup(), { "idempotency-key": unused() }];
  await using lock = await gateway.sql.reserve().then((sql) => ({
    sql,
    [Symbol.asyncDispose]: async () => sql.release(),
  }));
  await lock.sql`begin`;
  await lock.sql`lock table lockstep.idempotency_keys in exclusive mode`;
  const asked = [whole("POST", at(), body, key), whole("POST", at("", other), body, key)];
  await Bun.sleep(200);
  await lock.sql`commit`;
  const [one, two] = await Promise.all(asked);
  expect(one!.answer).toEqual(two!.answer);
  expect([one!.again, two!.again].sort()).toEqual([false, true]);
});

test("keys are forgotten when their time is over, and no sooner", async () => {
  const [old, young] = [unused(), unused()];
  const body = { [old]: cup(), [young]: cup() };
  for (const key of [old, young]) await whole("POST", at(), body[key], { "idempotency-key": key });
  await gateway.sql`
    update lockstep.idempotency_keys set at = now() - interval '25 hours' where doc ->> 'sku' = ${String(body[old]!.sku)}`;
  using keyExpiry = new KeyExpiry(
    { query: async (work) => await work(gateway.sql) },
    24,
    createLogger("gateway", "1", "silent"),
  );
  await keyExpiry.deleteExpired();
  expect((await whole("POST", at(), body[young], { "idempotency-key": young })).again).toBe(true);
  // As if it had never come: so the sku is taken.
  expect((await whole("POST", at(), body[old], { "idempotency-key": old })).answer[0]).toBe(409);
});
