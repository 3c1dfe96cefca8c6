/** The light client answers as postgres.js does, which is the reference here. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { eventually } from "../../../tests/harness/eventually.ts";
import { freePort, freshDatabase } from "../../../tests/harness/servers.ts";
import { connectPool, connectSession, connectStatements, type Sql, type Statements } from "../connect.ts";

const settings = { max: 2, name: "client-test", statementTimeoutMs: 10_000 };
let url: string;
let light: Statements;
let reference: Sql;
beforeAll(async () => {
  url = await freshDatabase();
  light = connectStatements(url, settings);
  reference = connectPool(url, settings);
}, 60_000);
afterAll(async () => {
  await light.end({ timeout: 1 });
  await reference.end({ timeout: 1 });
});

const failure = (work: PromiseLike<unknown>) =>
  Promise.resolve(work).then(
    () => undefined,
    (error) => error,
  );

describe("a statement", () => {
  const VALUES = `select $1::text as text, $2::int as number, $3::text::jsonb as json, null as nothing, true as yes,
    1.50::numeric as numeric, 9007199254740993::bigint as big, '{"n": 12345678901234567890}'::json as long,
    '2026-02-03 04:05:06.789+00'::timestamptz as time, '\\x00ff'::bytea as bytes, '{1,2}'::int[] as list,
    2.5::float8 as float, 'ünï 😀' as unicode`;

  test("answers the values that postgres.js answers, the first time and when it is known", async () => {
    const parameters = ['it\'s \\ "ü" 😀', -7, '{"a": [1, null]}'];
    const expected = [...(await reference.unsafe(VALUES, parameters, { prepare: true }))];
    for (let i = 0; i < 2; i++)
      expect([...(await light.unsafe(VALUES, parameters, { prepare: true }))]).toEqual(expected);
    expect([...(await light.unsafe(VALUES, parameters))]).toEqual(expected);
  });

  test("takes the parameters that postgres.js takes", async () => {
    const at = new Date("2026-01-02T03:04:05.678Z");
    const run = (sql: Statements) =>
      sql`select ${true} as yes, ${false}::text as no, ${12n}::text as big, ${at}::text as at, ${Buffer.from([0, 255])} as bytes,
        ${null}::text as nothing, ${1.5}::float8 as float, ${{ a: [1] }}::jsonb as json, ${""}::text as empty`;
    expect([...(await run(light))]).toEqual([...(await run(reference as unknown as Statements))]);
  });

  test("has a count: of the rows that it changed, or answered", async () => {
    await light.unsafe("create table counted (n int)");
    const insert = await light`insert into counted select generate_series(1, ${5}::int)`;
    expect([insert.count, insert.length]).toEqual([5, 0]);
    expect((await light`select * from counted`).count).toBe(5);
    expect(await light`select n, n + 1 as next from counted where n < 3 order by n`).toMatchObject([
      { n: 1 },
      { n: 2 },
    ]);
    expect((await light.unsafe("delete from counted where n < 3; select n from counted")).length).toBe(3);
  });

  test("may be long, in both directions", async () => {
    const text = "0123456789ü".repeat(200_000);
    const [row] = await light.unsafe("select $1::text as text, length($1::text) as length", [text], { prepare: true });
    expect([row.text === text, row.length]).toEqual([true, text.length]);
    const many = await light`select repeat('x', 1000) as x, i from generate_series(1, 5000) as i`;
    expect([many.length, many[4_999].i, many[4_999].x.length]).toEqual([5_000, 5_000, 1_000]);
  });

  test("fails with the fields that postgres.js gives, and the session goes on", async () => {
    await light.unsafe("create table unique_values (name text primary key check (name <> ''))");
    await light`insert into unique_values values ('a')`;
    for (const text of [
      "insert into unique_values values ($1)",
      "insert into unique_values values ($1 || 'a' || $1)",
      "select nothing_there($1)",
      "selec $1",
    ])
      for (const value of ["", "a"]) {
        const [expected, given] = [
          await failure(reference.unsafe(text, [value], { prepare: true })),
          await failure(light.unsafe(text, [value], { prepare: true })),
        ];
        const { file: _, line: __, ...fields } = expected ?? {};
        expect({ ...given, message: given?.message, name: given?.name }).toMatchObject(
          JSON.parse(JSON.stringify({ ...fields, message: expected?.message, name: expected?.name })),
        );
      }
    expect((await light`select 1 as one`)[0].one).toBe(1);
  });

  test("that is known is parsed again when the schema has changed", async () => {
    await light.unsafe("create table changing (a int); insert into changing values (1)");
    const read = () => light.unsafe("select * from changing where a = $1::int", [1], { prepare: true });
    for (let i = 0; i < 3; i++) await Promise.all([read(), read()]);
    await light.unsafe("alter table changing add column b int default 2");
    for (let i = 0; i < 3; i++)
      expect((await Promise.all([read(), read()])).flat()).toEqual(Array(2).fill({ a: 1, b: 2 }));
  });

  test("with a value that has no text fails alone", async () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    expect(await failure(light`select ${circular}::jsonb`)).toBeInstanceOf(TypeError);
    expect((await light`select ${{ a: 1 }}::jsonb as json`)[0].json).toEqual({ a: 1 });
  });

  test("waits while all sessions are in use, and sessions have the settings", async () => {
    const pool = connectStatements(url, { ...settings, session: { lock_timeout: "123" } });
    const run = () =>
      pool`select pg_backend_pid() as pid, current_setting('lock_timeout') as lock, pg_sleep(0.02),
        current_setting('application_name') as name, current_setting('statement_timeout') as statement`;
    const rows = (await Promise.all(Array.from({ length: 7 }, run))).flat();
    expect(new Set(rows.map(({ pid }) => pid)).size).toBe(2);
    expect(rows[0]).toMatchObject({ lock: "123ms", name: "client-test", statement: "10s" });
    await pool.end();
    expect((await failure(run())).code).toBe("CONNECTION_ENDED");
  });
});

describe("a connection", () => {
  test("that the server ends fails its statement, and the next one opens another", async () => {
    const pool = connectStatements(url, { ...settings, max: 1 });
    const [{ pid }] = await pool`select pg_backend_pid() as pid`;
    const sleeping = failure(pool`select pg_sleep(30)`);
    await eventually(
      async () => (await light`select from pg_stat_activity where pid = ${pid} and state = 'active'`).length,
      {
        timeoutMs: 5_000,
        what: "the statement to run",
      },
    );
    await light`select pg_terminate_backend(${pid})`;
    expect(await sleeping).toMatchObject({ code: "CONNECTION_CLOSED", cause: { code: "57P01" } });
    const [other] = await pool`select pg_backend_pid() as pid`;
    expect(other.pid).not.toBe(pid);
    // It is idle now.
    await light`select pg_terminate_backend(${other.pid})`;
    await Bun.sleep(50);
    expect((await pool`select 1 as one`)[0].one).toBe(1);
    await pool.end();
  });

  test("is closed at the end: a statement in flight may end, or fails after the timeout", async () => {
    const patient = connectStatements(url, settings);
    const done = patient`select pg_sleep(0.1), 1 as one`;
    await Promise.all([done, patient.end({ timeout: 5 })]);
    expect((await done)[0].one).toBe(1);
    const impatient = connectStatements(url, settings);
    await impatient`select 1`;
    const late = failure(impatient`select pg_sleep(30)`);
    await impatient.end({ timeout: 0.05 });
    expect((await late).code).toBe("CONNECTION_DESTROYED");
  });

  test("of a session is never replaced: what it held is gone, and statements fail", async () => {
    let closed = 0;
    const session = connectSession(url, "client-test-session", () => closed++);
    const [{ pid }] = await session`select pg_backend_pid() as pid, pg_advisory_lock(7)`;
    const both = await Promise.all([session`select pg_backend_pid() as pid`, session`select pg_backend_pid() as pid`]);
    expect(both.flat()).toEqual([{ pid }, { pid }]);
    await light`select pg_terminate_backend(${pid})`;
    await eventually(() => closed === 1, { timeoutMs: 5_000, what: "the session to close" });
    for (let i = 0; i < 2; i++)
      expect(await failure(session`select pg_backend_pid()`)).toMatchObject({ code: "CONNECTION_CLOSED" });
    await session.end({ timeout: 1 });
    expect(closed).toBe(1);
  });

  test("that fails reports why: no server, a wrong password, an unknown database", async () => {
    const codeAt = async (parts: Partial<Pick<URL, "port" | "password" | "pathname">>) => {
      const changed = Object.assign(new URL(url), parts);
      const pool = connectStatements(changed.href, settings);
      const { code, severity, message } = await failure(pool`select 1`);
      if (code === "ECONNREFUSED") expect(message).toBe(`connect ECONNREFUSED 127.0.0.1:${changed.port}`);
      await pool.end({ timeout: 0 });
      return [code, severity];
    };
    const port = await freePort();
    expect(await codeAt({ port: String(port) })).toEqual(["ECONNREFUSED", undefined]);
    expect(await codeAt({ password: "wrong" })).toEqual(["28P01", "FATAL"]);
    expect(await codeAt({ pathname: "/missing" })).toEqual(["3D000", "FATAL"]);
  });

  test("gets several statements after a failure, each once", async () => {
    const port = await freePort();
    const pool = connectStatements(`postgres://a:b@127.0.0.1:${port}/c`, settings);
    const codes = await Promise.all(Array.from({ length: 5 }, () => failure(pool`select 1`)));
    expect(codes.map(({ code }) => code)).toEqual(Array(5).fill("ECONNREFUSED"));
    await pool.end({ timeout: 0 });
  });

  test("to a server that accepts and says nothing ends with the pool", async () => {
    const accepted: Socket[] = [];
    const server = createServer((socket) => void accepted.push(socket)).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    const pool = connectStatements(`postgres://a:b@127.0.0.1:${port}/c`, settings);
    const statement = failure(pool`select 1`);
    await Bun.sleep(50);
    await pool.end({ timeout: 0.01 });
    expect((await statement).code).toBe("CONNECTION_DESTROYED");
    for (const socket of accepted) socket.destroy();
    server.close();
  });
});
