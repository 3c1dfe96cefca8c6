/** The database answers, and yet the gateway cannot write: it says so, and goes on by itself when the cause has ended. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { startPostgres } from "../stack/servers/postgres.ts";
import type { Server } from "../stack/servers/server.ts";
import { stopAtExit } from "../tests/harness/clean-up-at-exit.ts";
import { request } from "../tests/harness/client.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { type TestGateway, testGateway } from "../tests/harness/gateway.ts";
import { freePort, temporaryFolder } from "../tests/harness/servers.ts";

let server: Server;
let admin: Sql;
let gateway: TestGateway;
beforeAll(async () => {
  const dir = temporaryFolder("postgres");
  server = await startPostgres({ name: "gateway-test", dir, port: await freePort(), database: "lockstep" });
  stopAtExit(server.pid, "QUIT", dir);
  admin = postgres(server.url, { max: 1, onnotice: () => {} });
  await admin`create role writer superuser login password 'first'`;
  await admin`create database shop owner writer`;
  const url = new URL(server.url);
  [url.username, url.password, url.pathname] = ["writer", "first", "/shop"];
  gateway = await testGateway({ DATABASE_URL: url.href });
}, 120_000);
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await admin?.end({ timeout: 1 });
  await server?.stop();
}, 30_000);

const create = () =>
  request("POST", `${gateway.url}/products`, { sku: Bun.randomUUIDv7(), name: "Cup", price: "1.00" });
const many = async () => (await Promise.all(Array.from({ length: 12 }, create))).map(({ status }) => status);
/** The gateway's readiness, and the problem of a condition: null while it is absent. */
async function health(condition: string): Promise<{ status: number; problem: string | null }> {
  const response = await fetch(`${gateway.url}/health/ready`);
  const { checks } = (await response.json()) as { checks: { condition: string; problem: string | null }[] };
  const problems = checks.filter((check) => check.condition === condition).map(({ problem }) => problem);
  return { status: response.status, problem: problems.find((problem) => problem !== null) ?? null };
}
/** Waits for the condition while writes go on. */
const seen = (condition: string, problem: string) =>
  eventually(
    async () => {
      await create();
      return (await health(condition)).problem?.includes(problem);
    },
    { timeoutMs: 10_000, what: `${condition} to be seen` },
  );
/** All writes succeed and the condition is gone within 5 s, without a restart. */
async function recovered(condition: string): Promise<void> {
  await eventually(async () => (await many()).every((status) => status === 201), {
    timeoutMs: 5_000,
    what: "all writes to succeed",
  });
  await eventually(async () => (await health(condition)).problem === null, {
    timeoutMs: 5_000,
    what: `${condition} to end`,
  });
  expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(200);
}
const endSessions = () =>
  admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = 'shop' and application_name = 'lockstep-gateway'`;

test("a database that is read-only for new sessions: 503, not ready, and writes again when it ends", async () => {
  expect(await many()).toEqual(Array(12).fill(201));
  // The probe's session stays writable, the pool's new sessions are not.
  await admin`alter database shop set default_transaction_read_only = on`;
  await endSessions();
  await seen("source-read-only", "default_transaction_read_only is on");
  const response = await create();
  expect(response).toMatchObject({ status: 503, body: { code: "UNAVAILABLE" } });
  expect(String(response.body.detail)).toContain("read-only. Nothing was changed");
  expect(response.headers.get("retry-after")).not.toBeNull();
  expect((await health("source-read-only")).status).toBe(503);
  expect((await request("GET", `${gateway.url}/products?limit=1`)).status).toBe(200);
  await admin`alter database shop reset default_transaction_read_only`;
  await eventually(async () => (await health("source-read-only")).problem === null, {
    timeoutMs: 5_000,
    what: "source-read-only to end",
  });
  // No session of the pool is read-only any more when the gateway says so.
  expect(await many()).toEqual(Array(12).fill(201));
  await recovered("source-read-only");
}, 60_000);

test("a database that becomes read-only for all sessions is seen without a write", async () => {
  const set = async (value: string) => {
    await admin.unsafe(`alter system ${value}`);
    await admin`select pg_reload_conf()`;
  };
  await set("set default_transaction_read_only = on");
  await eventually(async () => (await health("source-read-only")).status === 503, {
    timeoutMs: 10_000,
    what: "the gateway to be not ready",
  });
  // This session is read-only too.
  await admin`set default_transaction_read_only = off`;
  await set("reset default_transaction_read_only");
  await recovered("source-read-only");
}, 60_000);

test("a missing table and a missing right are named, and end", async () => {
  await gateway.sql`alter table products rename to mislaid`;
  await seen("writes-failing", "the table products does not exist");
  expect(await create()).toMatchObject({ status: 503, body: { code: "UNAVAILABLE" } });
  await gateway.sql`alter table mislaid rename to products`;
  await recovered("writes-failing");

  await admin`alter role writer nosuperuser`;
  await gateway.sql`revoke insert on products from writer`;
  await seen("writes-failing", "the role writer lacks INSERT on the table products");
  await gateway.sql`grant insert on products to writer`;
  await recovered("writes-failing");
  await admin`alter role writer superuser`;
}, 60_000);

test("a rule that fails every write with an internal error is the condition writes-failing", async () => {
  await gateway.sql.unsafe(`
    create function broken() returns trigger language plpgsql as $$ begin perform nothing(); return new; end $$;
    create trigger broken before insert on products for each row execute function broken()`);
  await seen("writes-failing", "writes in a row have failed; the last one: an internal error, see the log");
  await gateway.sql`drop trigger broken on products`;
  await recovered("writes-failing");
}, 60_000);

test("a changed password and a full connection limit make the gateway not ready, with the database's reason", async () => {
  await admin`alter role writer password 'second'`;
  await endSessions();
  await seen("source-unavailable", "password authentication failed");
  expect(await create()).toMatchObject({ status: 503, body: { code: "UNAVAILABLE" } });
  await admin`alter role writer password 'first'`;
  await recovered("source-unavailable");

  await admin`alter role writer nosuperuser connection limit 0`;
  await endSessions();
  await seen("source-unavailable", "too many connections");
  await admin`alter role writer superuser connection limit -1`;
  await recovered("source-unavailable");
}, 60_000);
