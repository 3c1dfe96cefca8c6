/** The source is a subscriber of another server's publication, and transactions are prepared: both are captured. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { createLogger } from "../observability/logger.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import { LOCK_SPACE } from "../relay/leader-lock.ts";
import { startPostgres } from "../stack/servers/postgres.ts";
import { stopAtExit } from "../tests/harness/clean-up-at-exit.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { outbox } from "../tests/harness/gateway.ts";
import { freePort, temporaryFolder } from "../tests/harness/servers.ts";
import { project } from "../tests/project/index.ts";
import { sourceMigrations } from "./migrations/index.ts";

const SLEEP_LOCK = 1;
const sessions: Sql[] = [];
let publisherUrl: string;
let sourceUrl: string;
let publisher: Sql;
let source: Sql;

const session = (url: string): Sql => {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  sessions.push(sql);
  return sql;
};

beforeAll(async () => {
  const [first, second] = await Promise.all(
    ["publisher", "source"].map(async (name) => {
      const dir = temporaryFolder(`postgres-${name}`);
      const settings = { wal_level: "logical", max_prepared_transactions: "10" };
      const server = await startPostgres({ name, dir, port: await freePort(), database: "lockstep", settings });
      stopAtExit(server.pid, "QUIT", dir);
      return server.url;
    }),
  );
  publisherUrl = first!;
  sourceUrl = second!;
  publisher = session(publisherUrl);
  await migrate(sourceUrl, sourceMigrations(project), createLogger("test", "1", "silent"));
  source = session(sourceUrl);
  await source`alter table products alter price set default 1`;
  // Copies of the captured table without capture: what another application's server publishes.
  for (const name of ["applied", "prepared"])
    await publisher.unsafe(
      `create schema ${name}; create table ${name}.products (id uuid primary key, sku text, name text)`,
    );
}, 120_000);
afterAll(() => Promise.all(sessions.map((sql) => sql.end({ timeout: 1 }))));

const newId = () => Bun.randomUUIDv7();
const changesOf = async (id: string) =>
  (await outbox(source, id)).map(({ version, operation, data }) => [version, operation, data?.name ?? null]);
const changeOf = (id: string, count: number) =>
  eventually(async () => (await changesOf(id)).length >= count, {
    timeoutMs: 20_000,
    what: `${count} captured changes`,
  });

describe("a source that subscribes to a publication", () => {
  /** Subscribes the captured table to `public.products` of the publisher, which is moved there from `schema`. */
  async function subscribe(schema: string, options: string): Promise<void> {
    await publisher.unsafe(
      `alter table ${schema}.products set schema public; create publication ${schema} for table products`,
    );
    await source.unsafe(
      `create subscription ${schema} connection '${publisherUrl}' publication ${schema} with (${options})`,
    );
  }
  async function unsubscribe(schema: string): Promise<void> {
    await source.unsafe(`drop subscription ${schema}`);
    await publisher.unsafe(`alter table products set schema ${schema}`);
  }
  const write = (id: string, name: string) =>
    publisher`insert into products (id, sku, name) values (${id}, ${id}, ${name})`;

  test("captures its first copy, and every INSERT, UPDATE, DELETE and TRUNCATE once", async () => {
    const [copied, changed, truncated] = [newId(), newId(), newId()];
    await publisher`insert into applied.products values (${copied}, ${copied}, 'Cup')`;
    await subscribe("applied", "streaming = on");
    await changeOf(copied, 1);
    await write(changed, "Cup");
    await publisher`update products set name = 'Mug' where id = ${changed}`;
    await publisher`delete from products where id = ${changed}`;
    await write(changed, "Jar");
    await write(truncated, "Cup");
    await changeOf(truncated, 1);
    await publisher`truncate products`;
    await changeOf(truncated, 2);
    expect(await changesOf(copied)).toEqual([
      [1, "upserted", "Cup"],
      [2, "deleted", null],
    ]);
    expect(await changesOf(changed)).toEqual([
      [1, "upserted", "Cup"],
      [2, "upserted", "Mug"],
      [3, "deleted", null],
      [4, "upserted", "Jar"],
      [5, "deleted", null],
    ]);
    expect(await source`select count(*)::int as n from lockstep.tombstones`).toMatchObject([{ n: 3 }]);
    await unsubscribe("applied");
  }, 60_000);

  test("captures prepared transactions of the publisher when lockstep.notify is off, also while the relay sleeps", async () => {
    await using _ = await sleepingRelay();
    await source`alter database lockstep set lockstep.notify = off`;
    await subscribe("prepared", "two_phase = true");
    const id = newId();
    await eventually(async () => (await source`select from pg_subscription where subtwophasestate = 'e'`).length > 0, {
      timeoutMs: 20_000,
      what: "the subscription to apply prepared transactions",
    });
    await publisher.unsafe(
      `begin; insert into products values ('${id}', '${id}', 'Cup'); prepare transaction 'remote'`,
    );
    await eventually(async () => (await source`select from pg_prepared_xacts`).length > 0, {
      timeoutMs: 20_000,
      what: "the prepared transaction at the source",
    });
    expect(await changesOf(id)).toEqual([]);
    await publisher`commit prepared 'remote'`;
    await changeOf(id, 1);
    await source`alter database lockstep reset lockstep.notify`;
    await unsubscribe("prepared");
  }, 60_000);
});

describe("PREPARE TRANSACTION", () => {
  const prepare = async (by: Sql, id: string, settings = "") => {
    await by.unsafe(
      `begin; ${settings}; insert into products (id, sku, name, price) values ('${id}', '${id}', 'Cup', 1)`,
    );
    return by.unsafe(`prepare transaction '${id}'`).then(
      () => "prepared",
      ({ message }) => message,
    );
  };
  const finish = (how: "commit" | "rollback", id: string) => source.unsafe(`${how} prepared '${id}'`);

  test("works with lockstep.notify = off while the relay sleeps, and does not keep the relay awake", async () => {
    await using relay = await sleepingRelay();
    const writer = session(sourceUrl);
    const [committed, rolledBack] = [newId(), newId()];
    expect(await prepare(writer, committed, "set local lockstep.notify = off")).toBe("prepared");
    expect(await prepare(writer, rolledBack, "set local lockstep.notify = off")).toBe("prepared");
    await relay.wakeUp();
    expect(await relay.fallAsleep()).toBe(true);
    expect(await changesOf(committed)).toEqual([]);
    await finish("commit", committed);
    await finish("rollback", rolledBack);
    expect([await changesOf(committed), await changesOf(rolledBack)]).toEqual([[[1, "upserted", "Cup"]], []]);
  });

  test("is refused without the setting while the relay sleeps, and otherwise keeps the relay awake", async () => {
    await using relay = await sleepingRelay();
    const writer = session(sourceUrl);
    const [refused, prepared] = [newId(), newId()];
    expect(await prepare(writer, refused)).toContain("cannot PREPARE a transaction that has executed");
    await relay.wakeUp();
    expect(await prepare(writer, prepared)).toBe("prepared");
    expect(await relay.fallAsleep()).toBe(false);
    await finish("commit", prepared);
    expect(await relay.fallAsleep()).toBe(true);
    expect([await changesOf(refused), await changesOf(prepared)]).toEqual([[], [[1, "upserted", "Cup"]]]);
  });
});

/** Holds the lock of a sleeping relay, until it is disposed. */
async function sleepingRelay() {
  const relay = session(sourceUrl);
  const fallAsleep = async (): Promise<boolean> =>
    (await relay`select pg_try_advisory_lock(${LOCK_SPACE}, ${SLEEP_LOCK}) as asleep`)[0]!.asleep;
  const wakeUp = async () => void (await relay`select pg_advisory_unlock(${LOCK_SPACE}, ${SLEEP_LOCK})`);
  expect(await fallAsleep()).toBe(true);
  return { fallAsleep, wakeUp, [Symbol.asyncDispose]: wakeUp };
}
