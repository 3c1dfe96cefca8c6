import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import postgres from "postgres";
import { eventually } from "../../tests/harness/eventually.ts";
import { freshDatabase } from "../../tests/harness/servers.ts";
import { connectPool } from "./connect.ts";
import { Database, type DatabaseLimits } from "./database.ts";
import { DatabaseUnavailableError, isUnavailable } from "./errors.ts";

let url: string;
beforeAll(async () => {
  url = await freshDatabase();
}, 60_000);

const opened: Database[] = [];
afterEach(() => Promise.all(opened.splice(0).map((database) => database.close())));

const CONNECTIONS = 2;
let pools = 0;
function open(limits: Partial<DatabaseLimits> = {}, to = url): Database {
  pools = 0;
  const connect = () => {
    pools++;
    return connectPool(to, { max: CONNECTIONS, name: "test", statementTimeoutMs: 60_000 });
  };
  const database = new Database(connect, { deadlineMs: 10_000, silenceMs: 10_000, maxPending: 100, ...limits });
  opened.push(database);
  return database;
}

const one = (database: Database) => database.query((sql) => sql`select 1 as one`.then((rows) => rows[0]!.one));
const sleep = (database: Database, seconds: number) => database.query((sql) => sql`select pg_sleep(${seconds})`);
const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error) => error,
  );

describe("a statement", () => {
  test("returns its result, or the database's error", async () => {
    const database = open();
    expect(await one(database)).toBe(1);
    const error = await failure(database.query((sql) => sql`select 1 / 0`));
    expect([error.code, isUnavailable(error)]).toEqual(["22012", false]);
  });

  test("that exceeds the deadline fails with an unknown outcome", async () => {
    const database = open({ deadlineMs: 200 });
    await one(database);
    const error = await failure(sleep(database, 1));
    expect(error).toBeInstanceOf(DatabaseUnavailableError);
    expect([error.sent, isUnavailable(error)]).toEqual([true, true]);
    expect(error.message).toBe("the database did not respond within 200 ms");
  });

  test("that gets no connection within half of the deadline is never executed", async () => {
    const database = open({ deadlineMs: 1_000 });
    await database.query((sql) => sql`create table written (n int)`);
    const busy = Array.from({ length: CONNECTIONS }, () => failure(sleep(database, 0.9)));
    const error = await failure(database.query((sql) => sql`insert into written values (1)`));
    expect([error.constructor, error.sent]).toEqual([DatabaseUnavailableError, false]);
    expect(error.message).toBe("no connection to the database became free within 500 ms");
    expect(database.use).toEqual({ size: CONNECTIONS, used: CONNECTIONS, waiting: 0 });
    await Promise.all(busy);
    expect(database.use, "no connection is kept for the query that has left the queue").toMatchObject({ used: 0 });
    expect(await database.query((sql) => sql`select from written`)).toHaveLength(0);
  });

  test("beyond the pending limit is rejected at once", async () => {
    const database = open({ maxPending: 5 });
    await one(database);
    const waiting = Array.from({ length: 5 }, () => sleep(database, 0.2));
    const begun = performance.now();
    const error = await failure(one(database));
    expect([error.constructor, error.sent]).toEqual([DatabaseUnavailableError, false]);
    expect(performance.now() - begun).toBeLessThan(100);
    expect(error.message).toBe("5 statements are already pending for the database");
    await Promise.all(waiting);
    expect(await one(database)).toBe(1);
  });

  test("waits in order: no more statements run than there are connections", async () => {
    const database = open();
    let running = 0;
    let max = 0;
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        database.query((sql) => {
          order.push(i);
          max = Math.max(max, ++running);
          return sql`select pg_sleep(0.005)`.then(() => running--);
        }),
      ),
    );
    expect(max).toBe(CONNECTIONS);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  test("that throws before it is sent releases its connection", async () => {
    const database = open();
    for (let i = 0; i < CONNECTIONS * 3; i++)
      expect(
        await failure(
          database.query(() => {
            throw new Error("no statement");
          }),
        ),
      ).toMatchObject({ message: "no statement" });
    expect(await one(database)).toBe(1);
  });
});

describe("connections", () => {
  test("that were terminated are replaced, and their statements report that the database is unavailable", async () => {
    const other = open();
    const database = open();
    const running = Array.from({ length: CONNECTIONS }, () => failure(sleep(database, 30)));
    const sleeping = () =>
      other.query(
        (sql) => sql`
        select pid from pg_stat_activity
        where datname = current_database() and query like '%pg_sleep(%' and state = 'active' and pid <> pg_backend_pid()`,
      );
    await eventually(async () => (await sleeping()).length === CONNECTIONS, {
      timeoutMs: 5_000,
      what: "the statements to run",
    });
    for (const { pid } of await sleeping()) await other.query((sql) => sql`select pg_terminate_backend(${pid})`);
    for (const error of await Promise.all(running)) expect(isUnavailable(error)).toBe(true);
    expect(pools, "pools that were opened: the second broken connection belongs to the replaced pool").toBe(2);
    expect(await one(database)).toBe(1);
  });

  test("that are silent for too long are replaced", async () => {
    const database = open({ deadlineMs: 300, silenceMs: 300 });
    const silent = await Promise.all(Array.from({ length: CONNECTIONS }, () => failure(sleep(database, 30))));
    expect(silent.map((error) => error.constructor)).toEqual([DatabaseUnavailableError, DatabaseUnavailableError]);
    expect(pools).toBe(2);
    expect(await one(database)).toBe(1);
  });

  test("are also replaced when the statements on them have timed out before, by a query that waits in the queue", async () => {
    const database = open({ deadlineMs: 200, silenceMs: 600 });
    const running = Array.from({ length: CONNECTIONS }, () => failure(sleep(database, 30)));
    for (const { message } of await Promise.all(running))
      expect(message).toBe("the database did not respond within 200 ms");
    expect(pools).toBe(1);
    await eventually(() => one(database), { timeoutMs: 20_000, what: "a query to get a connection" });
    expect(pools).toBe(2);
  });

  test("are not replaced while they respond to other statements", async () => {
    const database = open({ deadlineMs: 300, silenceMs: 300 });
    const slow = failure(sleep(database, 1));
    for (let begun = performance.now(); performance.now() - begun < 600; ) expect(await one(database)).toBe(1);
    expect(await slow).toBeInstanceOf(DatabaseUnavailableError);
    expect(pools).toBe(1);
  });

  test("replaced by reconnect fail their statements, and rejectQueued rejects the waiting ones", async () => {
    const database = open();
    const running = Array.from({ length: CONNECTIONS }, () => failure(sleep(database, 30)));
    const waiting = failure(one(database));
    await Bun.sleep(0);
    database.rejectQueued("the test says so");
    database.reconnect();
    expect((await waiting).message).toBe("the test says so");
    for (const error of await Promise.all(running)) expect(isUnavailable(error)).toBe(true);
    expect(await one(database)).toBe(1);
  });
});

test("without a server, each query fails at once as unavailable", async () => {
  const database = open({}, "postgres://nobody@127.0.0.1:9/none");
  for (let i = 0; i < 3; i++) expect(isUnavailable(await failure(one(database)))).toBe(true);
});

test("sessions that began read-only are replaced, so that writes succeed after the end of it", async () => {
  const url = await freshDatabase();
  const name = new URL(url).pathname.slice(1);
  const admin = postgres(url, { max: 1, onnotice: () => {} });
  await admin.unsafe("create table things (n int)");
  await admin.unsafe(`alter database ${name} set default_transaction_read_only = on`);
  const database = open({}, url);
  const write = () => database.query((sql) => sql`insert into things values (1)`);
  try {
    const errors = await Promise.all(Array.from({ length: 100 }, () => failure(write())));
    expect(errors.map(({ code }) => code)).toEqual(Array(100).fill("25006"));
    expect(pools).toBeLessThan(10); // Not one for each error.
    await admin.unsafe(`alter database ${name} reset default_transaction_read_only`);
    await eventually(async () => (await failure(write())) === undefined, {
      timeoutMs: 5_000,
      what: "a write to succeed",
    });
  } finally {
    await admin.end();
  }
});
