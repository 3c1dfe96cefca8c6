import { beforeEach, expect, test } from "bun:test";
import postgres from "postgres";
import type { Migration } from "../../contracts/project.ts";
import { createLogger } from "../../observability/logger.ts";
import { freshDatabase } from "../../tests/harness/servers.ts";
import { migrate } from "./migrate.ts";

const logger = createLogger("test", "1", "silent");
const first: Migration = { name: "0001-first", sql: "create table first (n int); insert into first values (1);" };
const second: Migration = { name: "0002-second", sql: "insert into first values (2)" };

let url: string;
beforeEach(async () => {
  url = await freshDatabase();
}, 60_000);

async function query<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
const rows = () => query((sql) => sql`select n from first order by n`.then((all) => all.map(({ n }) => n)));
const failure = (migrations: readonly Migration[]) =>
  migrate(url, migrations, logger).then(
    () => undefined,
    (error) => String(error.message),
  );

test("each migration runs once, in order, also with concurrent processes", async () => {
  await Promise.all([1, 2, 3].map(() => migrate(url, [first], logger)));
  expect(await rows()).toEqual([1]);
  await Promise.all([1, 2, 3].map(() => migrate(url, [first, second], logger)));
  expect(await rows()).toEqual([1, 2]);
  expect(
    await query((sql) => sql`select name from lockstep.migrations order by name`.then((all) => all.map((r) => r.name))),
  ).toEqual(["0001-first", "0002-second"]);
});

test("a migration that was edited after it ran is rejected before any other runs", async () => {
  await migrate(url, [first], logger);
  expect(await failure([{ ...first, sql: `${first.sql} -- harmless` }, second])).toBe(
    "migration 0001-first has changed since it ran; restore it and add a new migration instead",
  );
  expect(await rows()).toEqual([1]);
});

test("a failing migration is rolled back, earlier ones stay, and it can be corrected", async () => {
  const broken = { name: "0002-second", sql: "insert into first values (2); insert into nowhere values (1)" };
  expect(await failure([first, broken])).toContain("nowhere");
  expect(await rows()).toEqual([1]);
  await migrate(url, [first, second], logger);
  expect(await rows()).toEqual([1, 2]);
});

test("an older process accepts migrations of a newer one", async () => {
  await migrate(url, [first, second], logger);
  expect(await failure([first])).toBeUndefined();
});

test("tables are created in public, even if the user is named like Lockstep's schema", async () => {
  await migrate(url, [first], logger);
  const [user] = await query((sql) => sql`select current_user as name`);
  expect(user!.name).toBe("lockstep");
  expect(await query((sql) => sql`select to_regclass('public.first') as found`.then((r) => r[0]!.found))).toBe("first");
});

test("an unreachable database is an error", async () => {
  url = "postgres://lockstep@127.0.0.1:9/none";
  expect(await failure([first])).toContain("ECONNREFUSED");
});

test("a database with other first migrations is refused, and stays as it is", async () => {
  await migrate(url, [first], logger);
  expect(await failure([second])).toContain("belongs to another part of Lockstep: it lacks the migration 0002-second");
  expect(await rows()).toEqual([1]);
});
