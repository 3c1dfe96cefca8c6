/** P1: the gateway accepts no write that would not be captured, and goes on by itself when capture is whole again. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { pgTable, text } from "../contracts/entity/columns.ts";
import { defineEntity } from "../contracts/entity/define-entity.ts";
import { request } from "../tests/harness/client.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { type TestGateway, testGateway } from "../tests/harness/gateway.ts";
import { newProduct } from "../tests/harness/load.ts";
import { idColumn, ownColumns, ownOptions } from "../tests/harness/own-columns.ts";
import { EntityStore } from "./entity-store.ts";
import { Source } from "./source.ts";

const LIMIT_MS = 10_000;
const context = { traceparent: "" };

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await testGateway();
}, 60_000);
afterAll(() => gateway?.[Symbol.asyncDispose]());

const create = (body: object = newProduct(), headers: Record<string, string> = {}) =>
  request("POST", `${gateway.url}/products`, body, headers);

/** The gateway's readiness, and why changes are not captured: null while they are. */
async function health(): Promise<{ status: number; problem: string | null }> {
  const { status, body } = await request("GET", `${gateway.url}/health/ready`);
  const checks = body.checks as { condition: string; problem: string | null }[];
  return { status, problem: checks.find(({ condition }) => condition === "capture-incomplete")!.problem };
}

const noticed = (isCaptured: boolean) =>
  eventually(async () => ((await health()).problem === null) === isCaptured, {
    timeoutMs: LIMIT_MS,
    what: `the gateway to notice that changes are ${isCaptured ? "" : "not "}captured`,
  });

describe("while its changes are not captured, no write of an entity is accepted", () => {
  afterEach(async () => {
    await gateway.sql.unsafe(`
      drop table if exists products_new;
      do $$ begin
        if to_regclass('products_old') is not null then
          drop table products; alter table products_old rename to products;
        end if;
      end $$;
      select lockstep.capture('products', 'product')`);
    await noticed(true);
  });

  test.each([
    "alter table products disable trigger lockstep_inserted",
    "alter table products disable trigger lockstep_deleted",
    "drop trigger lockstep_updated on products",
    "alter table products enable replica trigger lockstep_inserted",
    "alter table products disable trigger all; alter table products enable trigger all",
    `create table products_new (like products including all);
      alter table products rename to products_old; alter table products_new rename to products`,
  ])("%s", async (change) => {
    const { body: product } = await create();
    const earlier = [newProduct(), { "idempotency-key": Bun.randomUUIDv7() }] as const;
    expect((await create(...earlier)).status).toBe(201);
    const path = `${gateway.url}/products/${product.id}`;
    await gateway.sql.unsafe(change);
    await noticed(false);
    const [{ count: before } = { count: "" }] = await gateway.sql`select count(*) from products`;

    for (const response of [
      await create(),
      await request("DELETE", path),
      await request("PATCH", path, { stock: 5 }),
      await request("PUT", path, newProduct()),
    ]) {
      expect(response).toMatchObject({ status: 503, body: { code: "CAPTURE_INCOMPLETE" } });
      expect(response.headers.get("retry-after")).not.toBeNull();
    }
    expect(await gateway.sql`select count(*) from products`).toMatchObject([{ count: before }]);
    // Repetitions of earlier writes, reads and readiness go on.
    expect((await create(...earlier)).status).toBe(201);
    expect((await request("GET", `${gateway.url}/products?limit=1`)).status).toBe(200);
    expect(await health()).toEqual({
      status: 200,
      problem: "the database does not capture changes of product; the gateway rejects these writes",
    });
  });

  test("and all are accepted again after the repair", async () => {
    await gateway.sql`alter table products disable trigger lockstep_inserted`;
    await noticed(false);
    await gateway.sql`select lockstep.capture('products', 'product')`;
    await noticed(true);
    const { status, body } = await create();
    expect(status).toBe(201);
    expect((await request("DELETE", `${gateway.url}/products/${body.id}`)).status).toBe(204);
  });
});

test("before the migrations have run, every statement is rejected, and the source counts as unavailable", async () => {
  const source = new Source(gateway.databaseUrl, { connections: 1, statementTimeoutMs: 5_000 });
  try {
    const problem = () => source.checks.find(({ condition }) => condition === "source-unavailable")!.problem();
    await expect(source.query((sql) => sql`select 1`)).rejects.toThrow("the schema is not up to date yet");
    await eventually(() => problem() === "the schema is not up to date yet", {
      timeoutMs: LIMIT_MS,
      what: "the first answer of the database",
    });
    source.schemaIsUpToDate();
    expect(await source.query((sql) => sql`select 1 as one`)).toMatchObject([{ one: 1 }]);
    expect(problem()).toBeUndefined();
  } finally {
    await source.close();
  }
});

test("writes of other entities go on", async () => {
  const table = pgTable("notes", { ...idColumn, text: text().notNull(), ...ownColumns });
  const note = defineEntity(table, { name: "note", ...ownOptions, replicas: { copy: {} } });
  await gateway.sql.unsafe(`
    create table notes (id uuid primary key, version bigint not null, text text not null,
      created_at timestamptz not null, updated_at timestamptz not null);
    create table memos (like notes including all);
    select lockstep.capture('notes', 'note'), lockstep.capture('memos', 'memo')`);
  const source = new Source(gateway.databaseUrl, { connections: 2, statementTimeoutMs: 5_000 });
  try {
    source.schemaIsUpToDate([
      { entity: "note", table: "notes", name: "notes" },
      { entity: "memo", table: "memos", name: "memos" },
    ]);
    const notes = new EntityStore(source, note);
    const memos = new EntityStore(source, { ...note, name: "memo", plural: "memos", table: { name: "memos" } });
    const insert = (store: EntityStore) => {
      const id = Bun.randomUUIDv7();
      return store.insert(id, { id, text: "x" }, context);
    };
    await gateway.sql`alter table notes disable trigger lockstep_inserted`;
    await eventually(() => !source.isCaptured("note"), { timeoutMs: LIMIT_MS, what: "the trigger to be missed" });
    await expect(insert(notes)).rejects.toMatchObject({ code: "CAPTURE_INCOMPLETE" });
    await insert(memos);
    await gateway.sql`select lockstep.capture('notes', 'note')`;
    await eventually(() => source.isCaptured("note"), { timeoutMs: LIMIT_MS, what: "the repair to be noticed" });
    await insert(notes);
  } finally {
    await source.close();
  }
});
