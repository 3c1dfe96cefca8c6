/** Each fault of PostgreSQL does what it says to a real server, and restores it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { startPostgres } from "../../../stack/servers/postgres.ts";
import { faultContext, type SupervisedServer, superviseServer, systemOf } from "../../../tests/harness/chaos-system.ts";
import { eventually, freePort } from "../../../tests/harness/servers.ts";
import type { System } from "../../system.ts";
import { databaseNames } from "./databases.ts";
import { postgresFaults } from "./index.ts";

const ids = [Bun.randomUUIDv7(), Bun.randomUUIDv7()];
let server: SupervisedServer;
let system: System;
/** A session that is not one of Lockstep. */
let other: Sql;

const connect = (name: string) =>
  postgres(server.url, { max: 1, onnotice: () => {}, connection: { application_name: name } });
const codeOf = (query: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(query).then(
    () => undefined,
    (error) => error.code,
  );
const pidOf = async (sql: Sql) => (await sql`select pg_backend_pid() as pid`)[0]!.pid as number;
/** A session of Lockstep. One that a fault ends is not used again: postgres.js may never write to its connection. */
const openService = () => connect("lockstep-test");
const untilEnded = (pid: number) =>
  eventually(async () => (await other`select from pg_stat_activity where pid = ${pid}`).length === 0, {
    timeoutMs: 5_000,
    what: "the end of the session",
  });
const insert = (sql: Sql) => sql`insert into products (id) values (${Bun.randomUUIDv7()})`;

beforeAll(async () => {
  const port = await freePort();
  server = await superviseServer("gateway-db", "postgres", (dir, onLaunch) =>
    startPostgres({
      name: "gateway-db",
      dir,
      port,
      database: "gateway",
      settings: { max_connections: "20" },
      onLaunch,
    }),
  );
  system = systemOf({ sourceDatabase: server.url }, [server.process]);
  other = connect("psql");
  await other`create table products (id uuid primary key, stock int)`;
  await other`insert into products (id) select unnest(${ids}::uuid[])`;
}, 60_000);

afterAll(async () => {
  await other?.end({ timeout: 1 });
  await server?.[Symbol.asyncDispose]();
});

/** Injects a fault. @returns ends it. */
function inject(name: string): Promise<() => Promise<void>> {
  const fault = postgresFaults.find((one) => one.name === name)!;
  expect(fault.subjects(system)).toEqual(["gateway-db"]);
  return fault.inject(faultContext(system, "gateway-db", ids).context);
}

test("the databases are the source's and one for each replica", () => {
  expect(databaseNames(systemOf({ replicaDatabases: new Map([["catalog", "postgres://catalog"]]) }))).toEqual([
    "gateway-db",
    "catalog-db",
  ]);
});

test.each(["postgres-restart", "postgres-crash"])("%s ends when the server runs again", async (name) => {
  const startedAt = async () => (await other`select pg_postmaster_start_time()::text as at`)[0]!.at;
  const before = await startedAt();
  await (await inject(name))();
  const after = await eventually(startedAt, { timeoutMs: 5_000, what: "a session on the new server" });
  expect(after).not.toBe(before);
});

test("postgres-read-only rejects writes of all services until it ends", async () => {
  const open = openService();
  const pid = await pidOf(open);
  const end = await inject("postgres-read-only");
  await untilEnded(pid);
  await open.end();
  const during = openService();
  expect(await codeOf(insert(during))).toBe("25006");
  await during.end();
  await end();
  const later = openService();
  await insert(later);
  await later.end();
  expect(await other`select from pg_db_role_setting`).toHaveLength(0);
});

test("postgres-connection-limit leaves no connection, also none that another session gives back", async () => {
  const isRejected = async () => {
    const late = connect("late");
    const code = await codeOf(late`select 1`);
    await late.end();
    return code === "53300";
  };
  await pidOf(other);
  const end = await inject("postgres-connection-limit");
  await eventually(isRejected, { timeoutMs: 5_000, what: "no free connection" });
  await other.end();
  await eventually(isRejected, { timeoutMs: 5_000, what: "no free connection after a session has ended" });
  await end();
  expect(await isRejected()).toBe(false);
  other = connect("psql");
});

test("postgres-sessions-ended ends sessions of Lockstep and no others", async () => {
  const service = openService();
  const [ended, kept] = [await pidOf(service), await pidOf(other)];
  await (await inject("postgres-sessions-ended"))();
  await untilEnded(ended);
  await service.end();
  expect(await pidOf(other)).toBe(kept);
});

test("postgres-long-transaction holds a transaction id until it ends", async () => {
  const open = () => other`
    select from pg_stat_activity where state = 'idle in transaction' and backend_xid is not null`;
  const end = await inject("postgres-long-transaction");
  expect(await open()).toHaveLength(1);
  await end();
  await eventually(async () => (await open()).length === 0, { timeoutMs: 5_000, what: "no open transaction" });
});

test("postgres-row-lock locks rows that clients know", async () => {
  const lock = () => other`select from products where id = ${ids[0]!} for update nowait`;
  const end = await inject("postgres-row-lock");
  expect(await codeOf(lock())).toBe("55P03");
  await end();
  expect(await lock()).toHaveLength(1);
});

test("postgres-table-lock locks out readers", async () => {
  const end = await inject("postgres-table-lock");
  await other`set lock_timeout = '100ms'`;
  expect(await codeOf(other`select from products`)).toBe("55P03");
  await end();
  await other`select from products`;
});
