/** Values that JavaScript's numbers and JSON's texts change most easily keep every digit and character in all copies. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { bigint, numeric, pgTable, text } from "../contracts/entity/columns.ts";
import { defineEntity } from "../contracts/entity/define-entity.ts";
import { EntityStore } from "../gateway/entity-store.ts";
import { Source } from "../gateway/source.ts";
import { idColumn, ownColumns, ownOptions } from "./harness/own-columns.ts";
import { newId } from "./harness/replica.ts";
import { VerifyFixture } from "./harness/verify-fixture.ts";

const columns = `
  id uuid primary key, version bigint not null, balance numeric not null, rate numeric not null default 0,
  units numeric(40) not null default 0, visits bigint not null default 0, note text not null default '',
  labels text[] not null default '{}', created_at timestamptz not null, updated_at timestamptz not null`;
const accounts = pgTable("accounts", {
  ...idColumn,
  balance: numeric({ precision: 60, scale: 8 }).notNull(),
  /** The column has no scale of its own, so that it can hold what the declaration does not allow. */
  rate: numeric({ precision: 14, scale: 4 }).notNull().default("0.0000"),
  units: numeric({ precision: 40, scale: 0 }).notNull().default("0"),
  visits: bigint({ mode: "number" }).notNull().default(0),
  note: text().notNull().default(""),
  labels: text().array().notNull().default([]),
  ...ownColumns,
});
const account = defineEntity(accounts, {
  name: "account",
  ...ownOptions,
  rules: { balance: (balance) => balance.finite(), rate: (rate) => rate.nonNegative() },
  replicas: { books: {} },
});

let world: VerifyFixture;
let source: Source;
let store: EntityStore;
beforeAll(async () => {
  world = await VerifyFixture.start({
    entity: account,
    sourceTable: `create table public.accounts (${columns})`,
    replicaTable: `create table public.accounts (${columns})`,
  });
  source = new Source(world.sourceUrl, { connections: 3, statementTimeoutMs: 5_000 });
  source.schemaIsUpToDate();
  store = new EntityStore(source, account);
}, 120_000);
afterAll(async () => {
  await source.close();
  await world[Symbol.asyncDispose]();
});

const context = { traceparent: "" };
const defaults = { rate: "0.0000", units: "0", visits: 0, note: "", labels: [] };
const stored = (sql: VerifyFixture["source"], id: string) =>
  sql`select balance::text, units::text from accounts where id = ${id}`;

/** The document that the replica answers: from its cache, from its row, and in its list. */
async function readReplica(id: string) {
  const cached = await world.cacheEntry(id);
  const row = await world.process.rows.one(id);
  const [listed] = await world.process.rows.page(undefined, 1_000).then((all) => all.filter((one) => one.id === id));
  expect(cached).toEndWith(` ${row!.body}`);
  expect(JSON.stringify(listed!.document)).toBe(row!.body!);
  return listed!.document;
}

describe("decimals", () => {
  for (const balance of [
    "1234567890.12345678",
    "9007199254740993.00000001",
    "-1234567890123456789012345678901234567890.12345678",
    "0.10000000",
    "-0.00000001",
    "99999999999999999999999999999999999999999999.99999999",
  ])
    test(`${balance} is the same text in every answer, column and copy`, async () => {
      const id = newId();
      const units = balance.replace(/[-.]/g, "").replace(/^0+/, "").slice(0, 40);
      const { value } = await store.insert(id, { id, ...defaults, balance, units }, context);
      expect(value).toMatchObject({ balance, units });
      const changed = await store.update(id, { note: "changed" }, undefined, context);
      expect(changed.value).toMatchObject({ balance, units, note: "changed" });
      expect((await store.read(id)).item).toMatchObject({ balance, units });
      expect(await stored(world.source, id)).toMatchObject([{ balance, units }]);
      await world.deliver();
      expect(await stored(world.database.sql, id)).toMatchObject([{ balance, units }]);
      expect(await readReplica(id)).toMatchObject({ balance, units });
    });

  test("of a column without a scale are sent with the declared one", async () => {
    const id = newId();
    await world.source`insert into accounts (id, balance, rate) values (${id}, 1.5, 12.50000000000000000000)`;
    await world.deliver();
    expect(await readReplica(id)).toMatchObject({ balance: "1.50000000", rate: "12.5000" });
    expect(await world.differenceKinds()).toEqual(new Map());
  });

  test.each(["NaN", "Infinity", "-Infinity", "0.00000000000000000001", "0.12345", "99999999999999999"])(
    "%s in a column that allows more than the declaration is refused, not rounded",
    async (rate) => {
      const id = newId();
      await world.source`insert into accounts (id, balance, rate) values (${id}, 1, ${rate}::text::numeric)`;
      expect(await world.deliver()).toMatchObject([
        { outcome: "invalid", rejection: { reason: "invalid-document", detail: expect.stringContaining("rate") } },
      ]);
      const differences = await world.differenceKinds();
      await world.source`delete from accounts where id = ${id}`;
      await world.deliver();
      expect(differences).toEqual(new Map([[id, "missing"]]));
    },
  );
});

describe("other values", () => {
  test("an integer above 2^53 is refused, not rounded", async () => {
    const id = newId();
    await world.source`insert into accounts (id, balance, visits) values (${id}, 1, ${"9007199254740993"}::text::bigint)`;
    expect(await world.deliver()).toMatchObject([{ outcome: "invalid" }]);
    await world.source`update accounts set visits = ${String(Number.MAX_SAFE_INTEGER)}::text::bigint where id = ${id}`;
    await world.deliver();
    expect(await readReplica(id)).toMatchObject({ visits: Number.MAX_SAFE_INTEGER });
  });

  test("texts and lists keep quotes, braces, backslashes, control characters and long digits", async () => {
    const id = newId();
    const note = '"1234567890.123456780" \\ {a,"b"} NULL \u0001 \u2028 😀 e\u0301';
    const labels = ['"', "{}", "a,b", "\\", "NULL", " ", "12345678901234567890.5"];
    await store.insert(id, { id, ...defaults, balance: "1.00000000", note, labels }, context);
    await world.deliver();
    expect(await readReplica(id)).toMatchObject({ note, labels });
    expect(await world.differenceKinds()).toEqual(new Map());
  });

  test("times with microseconds are sent with milliseconds, cut off, and verify as equal", async () => {
    const id = newId();
    await world.changeWithoutTriggers(
      (sql) => sql`insert into accounts (id, version, balance, created_at, updated_at)
        values (${id}, 1, 1, '1969-12-31 23:59:59.999999Z', '2026-01-02 03:04:05.6Z')`,
    );
    await world.source`select lockstep.send('account', array[${id}]::text[])`;
    await world.deliver();
    expect(await readReplica(id)).toMatchObject({
      createdAt: "1969-12-31T23:59:59.999Z",
      updatedAt: "2026-01-02T03:04:05.600Z",
    });
    expect(await world.differenceKinds()).toEqual(new Map());
  });
});
