import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { startPostgres } from "../../stack/servers/postgres.ts";
import type { Server } from "../../stack/servers/server.ts";
import { stopAtExit } from "../../tests/harness/clean-up-at-exit.ts";
import { eventually } from "../../tests/harness/eventually.ts";
import { freePort, temporaryFolder } from "../../tests/harness/servers.ts";
import { connectPool } from "./connect.ts";
import { Database } from "./database.ts";
import { DatabaseUnavailableError, isUnavailable } from "./errors.ts";

const DEADLINE_MS = 400;
let folder: string;
let port: number;
let server: Server;
let database: Database;
let pools = 0;

const launch = async () => {
  server = await startPostgres({ name: "database-test", dir: folder, port, database: "lockstep" });
  stopAtExit(server.pid, "QUIT", folder);
};

beforeAll(async () => {
  folder = temporaryFolder("postgres");
  port = await freePort();
  await launch();
  const connect = () => {
    pools++;
    return connectPool(server.url, { max: 2, name: "test", statementTimeoutMs: 700 });
  };
  database = new Database(connect, { deadlineMs: DEADLINE_MS, silenceMs: 1_500, maxPending: 5 });
}, 120_000);
afterAll(async () => {
  await database.close();
  await server.stop();
}, 30_000);

const one = () => database.query((sql) => sql`select 1 as one`);
const timed = async (work: () => Promise<unknown>) => {
  const start = performance.now();
  const error = await work().then(
    () => undefined,
    (e: unknown) => e,
  );
  return { error, ms: performance.now() - start };
};

/** The server's process and its children. */
function serverProcesses(): number[] {
  const parent = (pid: string) => {
    try {
      return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1]);
    } catch {
      return 0;
    }
  };
  const children = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && parent(pid) === server.pid);
  return [server.pid, ...children.map(Number)];
}

test("a query returns its result, or the database's own error", async () => {
  expect([...(await one())]).toEqual([{ one: 1 }]);
  const { error } = await timed(() => database.query((sql) => sql`select 1 / 0`));
  expect((error as { code: string }).code).toBe("22012");
  expect(isUnavailable(error)).toBe(false);
});

test("no query exceeds the deadline, and the number of pending queries is bounded", async () => {
  const slow = () => timed(() => database.query((sql) => sql`select pg_sleep(0.6)`));
  const all = await Promise.all(Array.from({ length: 7 }, slow));
  for (const { error, ms } of all) {
    expect(error).toBeInstanceOf(DatabaseUnavailableError);
    expect(ms).toBeLessThan(DEADLINE_MS + 600);
  }
  const sent = all.filter(({ error }) => (error as DatabaseUnavailableError).sent);
  const rejected = all.filter(({ error }) => (error as Error).message.includes("already pending for the database"));
  expect([sent.length, rejected.length]).toEqual([2, 2]);
  await eventually(one, { timeoutMs: 10_000, what: "a response" });
});

test("while a server hangs, queries fail at the deadline and connections are replaced; afterwards queries succeed", async () => {
  const before = pools;
  const stopped = serverProcesses();
  for (const pid of stopped) process.kill(pid, "SIGSTOP");
  try {
    await eventually(
      async () => {
        const { error, ms } = await timed(one);
        expect(isUnavailable(error)).toBe(true);
        expect(ms).toBeLessThan(DEADLINE_MS + 600);
        return pools > before;
      },
      { timeoutMs: 10_000, what: "a new pool" },
    );
  } finally {
    for (const pid of stopped) process.kill(pid, "SIGCONT");
  }
  await eventually(one, { timeoutMs: 10_000, what: "a response" });
}, 60_000);

test("a killed server is unavailable until it is started again", async () => {
  await server.stop("SIGKILL");
  // Its children exit a moment later.
  const { error } = await eventually(
    async () => {
      const attempt = await timed(one);
      return attempt.error !== undefined && attempt;
    },
    { timeoutMs: 10_000, what: "the server to be unavailable" },
  );
  expect(isUnavailable(error)).toBe(true);
  await launch();
  await eventually(one, { timeoutMs: 10_000, what: "a response" });
}, 60_000);
