import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startPostgres } from "../stack/servers/postgres.ts";
import type { Server } from "../stack/servers/server.ts";
import { stopAtExit } from "../tests/harness/clean-up-at-exit.ts";
import { type JsonResponse, request } from "../tests/harness/client.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { type TestGateway, testGateway } from "../tests/harness/gateway.ts";
import { freePort, temporaryFolder } from "../tests/harness/servers.ts";

/** Longest time to detect a silent database, in milliseconds: 5 intervals of 0.5 s, and a margin for a slow machine. */
const DETECTION_MS = 8_000;
const CONNECTIONS = 4;

let folder: string;
let port: number;
let server: Server;
let gateway: TestGateway;

const launch = async () => {
  server = await startPostgres({ name: "gateway-test", dir: folder, port, database: "lockstep" });
  stopAtExit(server.pid, "QUIT", folder);
};

beforeAll(async () => {
  folder = temporaryFolder("postgres");
  port = await freePort();
  await launch();
  gateway = await testGateway({ DATABASE_URL: server.url, LOCKSTEP_DATABASE_POOL: String(CONNECTIONS) });
}, 120_000);
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await server?.stop();
}, 30_000);

const create = (sku: string = Bun.randomUUIDv7()) =>
  request("POST", `${gateway.url}/products`, { sku, name: "Cup", price: "1.00" });
const ready = async () => (await fetch(`${gateway.url}/health/ready`)).status === 200;
async function sourceProblem(): Promise<string | null> {
  const { body } = await request("GET", `${gateway.url}/health/ready`);
  const checks = body.checks as { condition: string; problem: string | null }[];
  return checks.find(({ condition }) => condition === "source-unavailable")!.problem;
}
const writesSucceed = () =>
  eventually(async () => (await create()).status === 201, { timeoutMs: 20_000, what: "a write to succeed" });

const pids = async (condition = ""): Promise<number[]> =>
  (await gateway.sql.unsafe(`select pid from pg_stat_activity where pid <> pg_backend_pid() ${condition}`)).map(
    ({ pid }) => pid,
  );

/** Checks a 503 problem. @returns whether the problem says that nothing was changed or that the outcome is unknown. */
function outcomeOf(response: JsonResponse): "not carried out" | "unknown" {
  expect(response).toMatchObject({ status: 503, body: { code: "UNAVAILABLE" } });
  expect(response.headers.get("retry-after")).toBe("1");
  const detail = String(response.body.detail);
  expect(detail).toMatch(/Nothing was changed|is not known/);
  return detail.includes("Nothing was changed") ? "not carried out" : "unknown";
}

describe("a database that becomes silent", () => {
  test("is detected, then writes fail at once, health reports it, and the gateway recovers by itself", async () => {
    // Opens every connection of the pool before the stop.
    await Promise.all(Array.from({ length: CONNECTIONS * 5 }, () => create()));
    const stopped = [server.pid, ...(await pids())];
    const skus = Array.from({ length: CONNECTIONS * 5 }, () => Bun.randomUUIDv7());
    for (const pid of stopped) process.kill(pid, "SIGSTOP");
    let responses: JsonResponse[] = [];
    try {
      const begun = performance.now();
      const writes = Promise.all(skus.map(create));
      await eventually(async () => !(await ready()), { timeoutMs: DETECTION_MS, what: "health to report it" });
      expect(await sourceProblem()).toMatch(/^the database has not answered for \d+ ms$/);
      responses = await writes;
      expect(performance.now() - begun).toBeLessThan(DETECTION_MS);
      const retryBegun = performance.now();
      expect(outcomeOf(await create())).toBe("not carried out");
      expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
      expect(performance.now() - retryBegun).toBeLessThan(1_000);
    } finally {
      for (const pid of stopped) process.kill(pid, "SIGCONT");
    }
    await writesSucceed();
    await eventually(ready, { timeoutMs: 10_000, what: "health to be ready" });
    // The problems are true: only writes with an unknown outcome may have been committed.
    const outcomes = responses.map(outcomeOf);
    expect(outcomes).toContain("unknown");
    await eventually(async () => (await pids("and state = 'active' and query like '%insert%'")).length === 0, {
      timeoutMs: 10_000,
      what: "the earlier statements to end",
    });
    const committed = await gateway.sql<{ sku: string }[]>`select sku from products where sku = any(${skus})`;
    for (const { sku } of committed) expect(outcomes[skus.indexOf(sku)]).toBe("unknown");
  }, 60_000);

  test("on its open connections only: new connections replace them", async () => {
    const stopped = await pids("and application_name like 'lockstep-gateway%'");
    for (const pid of stopped) process.kill(pid, "SIGSTOP");
    try {
      outcomeOf(await create());
      await writesSucceed();
    } finally {
      for (const pid of stopped) process.kill(pid, "SIGCONT");
    }
  }, 60_000);
});

test("connections that the database ends fail their own statements only, and no other request waits", async () => {
  for (let round = 0; round < 5; round++) {
    const begun = performance.now();
    const writes = Promise.all(Array.from({ length: 20 }, () => create()));
    await gateway.sql`
      select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lockstep-gateway'`;
    for (const response of await writes) if (response.status !== 201) outcomeOf(response);
    await writesSucceed();
    // A statement that postgres.js never sends fails after 5 s on a new connection, and at its deadline on others.
    expect(performance.now() - begun).toBeLessThan(4_500);
  }
}, 60_000);

test("I27: a write whose response was lost is repeated with its key, returns its result, and runs once", async () => {
  const id = String((await create()).body.id);
  const change = () => request("PATCH", `${gateway.url}/products/${id}`, { stock: 7 }, { "idempotency-key": id });
  // The write waits for a lock when the database stops. It continues after the gateway has stopped waiting for it.
  const lock = await gateway.sql.reserve();
  await lock`begin`;
  await lock`select from products where id = ${id} for update`;
  const first = change();
  // Not the shared statement, whose lock timeout is 50 ms, but the isolated one.
  const waiting = () =>
    pids(
      "and application_name = 'lockstep-gateway' and wait_event_type = 'Lock'" +
        " and query_start < now() - interval '300 ms'",
    );
  await eventually(async () => (await waiting()).length === 1, { timeoutMs: 5_000, what: "the write to wait" });
  const stopped = [server.pid, ...(await pids())];
  for (const pid of stopped) process.kill(pid, "SIGSTOP");
  try {
    expect(outcomeOf(await first)).toBe("unknown");
  } finally {
    for (const pid of stopped) process.kill(pid, "SIGCONT");
  }
  await lock`commit`;
  lock.release();
  const repeated = await eventually(
    async () => {
      const response = await change();
      if (response.status !== 200) throw new Error(String(response.status));
      return response;
    },
    { timeoutMs: 20_000, what: "the repeated write to return" },
  );
  expect([repeated.headers.get("idempotency-replayed"), repeated.body.version]).toEqual(["true", 2]);
  expect((await request("GET", `${gateway.url}/products/${id}`)).body).toMatchObject({ stock: 7, version: 2 });
}, 60_000);

test("writes fail while the database is killed, and succeed after its restart", async () => {
  const before = await create();
  await server.stop("SIGKILL");
  await eventually(async () => outcomeOf(await create()) === "not carried out", {
    timeoutMs: 10_000,
    what: "writes to fail",
  });
  await eventually(async () => !(await ready()), { timeoutMs: 10_000, what: "health to report it" });
  await launch();
  await writesSucceed();
  await eventually(ready, { timeoutMs: 10_000, what: "health to be ready" });
  expect((await request("GET", `${gateway.url}/products/${before.body.id}`)).body).toEqual(before.body);
}, 60_000);

test("writes to a locked row wait for the lock, and other writes do not", async () => {
  const { body } = await create();
  const holder = await gateway.sql.reserve();
  try {
    await holder`begin`;
    await holder`update products set stock = 1 where id = ${String(body.id)}`;
    const change = () => request("PATCH", `${gateway.url}/products/${body.id}`, { stock: 2 });
    const { body: other } = await create();
    const many = Array.from({ length: 30 }, change);
    const others = Array.from({ length: 5 }, () =>
      request("PATCH", `${gateway.url}/products/${other.id}`, { stock: 2 }),
    );
    for (const response of await Promise.all(others)) expect(response.status).toBe(200);
    await holder`commit`;
    for (const response of await Promise.all(many)) expect(response.status).toBe(200);
  } finally {
    holder.release();
  }
}, 60_000);
