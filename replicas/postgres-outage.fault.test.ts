/** The replica's PostgreSQL is stopped or killed while it is written and read. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Hono } from "hono";
import postgres from "postgres";
import { createMetrics } from "../observability/metrics.ts";
import { serviceApp } from "../platform/http/service-app.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import { startPostgres } from "../stack/servers/postgres.ts";
import type { Server } from "../stack/servers/server.ts";
import { type CacheProcess, startCacheProcess } from "../tests/harness/cache-process.ts";
import { stopAtExit } from "../tests/harness/clean-up-at-exit.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { entity, newId, silentLogger, upsertChange } from "../tests/harness/replica.ts";
import { freePort, redisUrl, temporaryFolder } from "../tests/harness/servers.ts";
import { project } from "../tests/project/index.ts";
import { migrationsOf } from "./migrations/index.ts";
import { addReads } from "./reads/routes.ts";

let server: Server;
let folder: string;
let port: number;
let replica: CacheProcess;
let app: Hono;

const launch = async () => {
  server = await startPostgres({ name: "outage-test", dir: folder, port, database: "lockstep" });
  stopAtExit(server.pid, "QUIT", folder);
};

beforeAll(async () => {
  folder = temporaryFolder("postgres");
  port = await freePort();
  await launch();
  await migrate(server.url, migrationsOf(project, "catalog"), silentLogger);
  replica = await startCacheProcess(server.url, await redisUrl(), `outage-${newId()}`);
  const metrics = createMetrics("test", "1");
  app = serviceApp({ checks: [], metrics, logger: silentLogger });
  addReads(app, { ...replica, waitMs: 100, maxWaitMs: 100, metrics, lagMs: () => 0 }, entity, "catalog");
  await cacheIsOn();
}, 120_000);
afterAll(async () => {
  await replica[Symbol.asyncDispose]();
  await server.stop();
}, 30_000);

const cacheIsOn = () =>
  eventually(() => replica.replica.epoch.lease()?.runId, { timeoutMs: 15_000, what: "the cache to be on" });
const read = async (id: string) => {
  const start = performance.now();
  const answer = await app.request(`/products/${id}`);
  return { answer, ms: performance.now() - start };
};

/** A client gets 503 within the limit while the database does not respond. */
async function expectUnavailable(id: string): Promise<void> {
  const { answer, ms } = await eventually(
    async () => {
      const response = await read(id);
      return response.answer.status !== 200 && response;
    },
    { timeoutMs: 10_000, what: "reads to fail" },
  );
  expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await answer.json()).toMatchObject({ code: "UNAVAILABLE" });
  expect(ms).toBeLessThan(3_500); // two seconds, and some more for a slow machine
}

test("P14: while PostgreSQL is stopped, reads fail within their limit; afterwards the replica continues", async () => {
  const id = newId();
  await replica.applyAndCache([upsertChange(id, 1)]);
  process.kill(server.pid, "SIGSTOP");
  const stopped = await childrenOf(server.pid);
  for (const pid of stopped) process.kill(pid, "SIGSTOP");
  const applying = replica.applyAndCache([upsertChange(id, 2)]);
  try {
    await expectUnavailable(id);
  } finally {
    for (const pid of [...stopped, server.pid]) process.kill(pid, "SIGCONT");
  }
  await applying;
  await eventually(async () => (await read(id)).answer.headers.get("etag") === '"2"', {
    timeoutMs: 15_000,
    what: "version 2",
  });
  await cacheIsOn();
}, 60_000);

test("P1: a batch in progress when PostgreSQL dies is applied after its restart", async () => {
  const id = newId();
  await replica.applyAndCache([upsertChange(id, 1)]);
  await server.stop("SIGKILL");
  const applying = replica.applyAndCache([upsertChange(id, 2)]);
  await expectUnavailable(newId());
  await launch();
  await applying;
  expect((await read(id)).answer.headers.get("etag")).toBe('"2"');
  await cacheIsOn();
}, 60_000);

test("P6: a row that crashes PostgreSQL is rejected, and all others are applied", async () => {
  const sql = postgres(server.url, { max: 1, onnotice: () => {} });
  await sql.unsafe(`create function crash() returns trigger language plpgsql as $$ begin
    if new.name = 'crash' then
      execute format('copy (select 1) to program %L', 'kill -9 ' || pg_backend_pid());
      perform pg_sleep(60);
    end if;
    return new; end $$`);
  await sql`create trigger crash before insert on products for each row execute function crash()`;
  await sql.end();
  const [known, bad] = [newId(), newId()];
  await replica.applyAndCache([upsertChange(known, 1)]);
  const others = Array.from({ length: 20 }, newId);
  const changes = [upsertChange(bad, 1, { name: "crash" }), ...others.map((id) => upsertChange(id, 1))];
  const { accepted, rejected } = await replica.applier.apply(changes.sort((a, b) => (a.id < b.id ? -1 : 1)));
  expect(rejected.map(({ change, rejection }) => [change.id, rejection.code])).toEqual([[bad, "08006"]]);
  expect(accepted.map(({ id }) => id).sort()).toEqual(others.toSorted());
  expect((await read(others[0]!)).answer.status).toBe(200);
  expect((await read(bad)).answer.status).toBe(404);
  await cacheIsOn();
}, 60_000);

async function childrenOf(pid: number): Promise<number[]> {
  const text = await Bun.$`ps -o pid= --ppid ${pid}`.text();
  return text.split("\n").map(Number).filter(Boolean);
}
