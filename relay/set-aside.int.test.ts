import { expect, test } from "bun:test";
import { eventually } from "../tests/harness/eventually.ts";
import { RelayFixture } from "../tests/harness/relay.ts";
import { Outbox } from "./outbox.ts";

const MEGABYTE = 1_000_000;
/** A list of one tag of this size, as PostgreSQL writes it. */
const large = (megabytes: number) => `{${"x".repeat(megabytes * MEGABYTE)}}`;
const until = (check: () => Promise<unknown>, what: string) => eventually(check, { timeoutMs: 15_000, what });

/** Writes the version of a product without the triggers, as a restore or an administrator can. */
const setVersion = (fixture: RelayFixture, id: string, version: string) =>
  fixture.sql.unsafe(`alter table products disable trigger "~lockstep_stamp";
    update products set version = ${version} where id = '${id}';
    alter table products enable always trigger "~lockstep_stamp"`);

/** Inserts rows that cannot be sent, each for another reason. @returns the expected reason by id. */
async function insertBadRows(fixture: RelayFixture): Promise<Map<string, string>> {
  const { sql } = fixture;
  const bad = new Map<string, string>();
  bad.set(await fixture.insert({ tags: large(1.28) }), "record-too-large");
  bad.set(await fixture.insert({ tags: large(9) }), "record-too-large");
  await sql`select set_config('lockstep.actor', ${"a".repeat(1.2 * MEGABYTE)}, false)`;
  bad.set(await fixture.insert(), "record-too-large");
  await sql`select set_config('lockstep.actor', '', false)`;
  const future = await fixture.insert();
  await setVersion(fixture, future, "9007199254740992");
  bad.set(future, "version-too-large");
  await sql`create table invoices (id uuid primary key default uuidv7(), version bigint, total int,
    created_at timestamptz, updated_at timestamptz)`;
  await sql`select lockstep.capture('invoices', 'invoice')`;
  const [invoice] = await sql<{ id: string }[]>`insert into invoices (total) values (1) returning id`;
  bad.set(invoice!.id, "undeclared-entity");
  await sql`alter table products rename price to cost_price`;
  const [renamed] = await sql<{ id: string }[]>`
    insert into products (sku, name, cost_price) values ('renamed', 'N', 1) returning id`;
  bad.set(renamed!.id, "missing-column");
  await sql`alter table products rename cost_price to price`;
  return bad;
}

test("P6: rows that cannot be sent are set aside with a reason, and all others are sent", async () => {
  await using fixture = await RelayFixture.start();
  const good = [await fixture.insert()];
  const bad = await insertBadRows(fixture);
  good.push(await fixture.insert());
  const beyond32Bits = await fixture.insert();
  await setVersion(fixture, beyond32Bits, "4294967296");
  await using _relay = await fixture.relay();
  good.push(await fixture.insert());
  await until(async () => (await fixture.setAside()).size === bad.size, "all bad rows to be set aside");
  await until(async () => (await fixture.sent()).length >= good.length + 2, "all good rows to be sent");

  expect(Object.fromEntries([...(await fixture.setAside())].map(([id, { reason }]) => [id, reason]))).toEqual(
    Object.fromEntries(bad),
  );
  const sent = await fixture.sent();
  for (const id of good) expect(sent).toContain(`${id}:1`);
  expect(sent).toContain(`${beyond32Bits}:4294967296`);
  // The acknowledgement follows the write to the log.
  await until(async () => (await fixture.sql`select from lockstep.outbox`).length === 0, "the outbox to be empty");
});

test("P6: the newest state of an entity is set aside once, and a newer state that is sent removes it", async () => {
  await using fixture = await RelayFixture.start();
  const { sql } = fixture;
  const id = await fixture.insert();
  await using _relay = await fixture.relay();
  for (const size of [1.28, 1.3]) await sql`update products set tags = ${large(size)} where id = ${id}`;
  await until(async () => (await fixture.setAside()).get(id)?.version === "3", "the newest version to be set aside");
  expect((await fixture.setAside()).size).toBe(1);
  await sql`update products set tags = '{short}' where id = ${id}`;
  await until(async () => (await fixture.setAside()).size === 0, "the row to be removed by a newer state");
  expect(await fixture.sent()).toEqual([`${id}:1`, `${id}:4`]);
});

test("P6: a bad row between good rows of the same partition does not repeat or lose them", async () => {
  await using fixture = await RelayFixture.start();
  const { sql } = fixture;
  const tags = (n: number) => large(n % 40 === 7 ? 1.28 : 0.02);
  const ids: string[] = [];
  for (let n = 0; n < 180; n++) ids.push(await fixture.insert({ tags: tags(n) }));
  await using _relay = await fixture.relay();
  await until(async () => (await fixture.setAside()).size === 5, "five rows to be set aside");
  await until(async () => (await sql`select from lockstep.outbox`).length === 0, "the outbox to be empty");
  const good = ids.filter((_, n) => n % 40 !== 7).map((id) => `${id}:1`);
  expect(await fixture.sent()).toEqual(good.sort());
});

test("P6: where the topic accepts less than a batch, the relay finds the bad row by halves", async () => {
  await using fixture = await RelayFixture.start({ "max.message.bytes": "30000" });
  const { sql } = fixture;
  const ids: string[] = [];
  for (let n = 0; n < 60; n++) ids.push(await fixture.insert({ tags: large(n === 31 ? 0.04 : 0.004) }));
  await using _relay = await fixture.relay();
  await until(async () => (await sql`select from lockstep.outbox`).length === 0, "the outbox to be empty");
  expect([...(await fixture.setAside()).keys()]).toEqual([ids[31]!]);
  expect(await fixture.sent()).toEqual(
    ids
      .filter((_, n) => n !== 31)
      .map((id) => `${id}:1`)
      .sort(),
  );
});

test("P1 P2: a relay that dies between setting aside and acknowledging changes nothing", async () => {
  await using fixture = await RelayFixture.start();
  const { sql } = fixture;
  const good = [await fixture.insert(), await fixture.insert()];
  const bad = await fixture.insert({ tags: large(1.28) });
  const dying = (outbox: Outbox) => {
    const read = outbox.read.bind(outbox);
    outbox.read = async (limit, done) => {
      if (done) throw new Error("killed");
      return read(limit);
    };
    return outbox;
  };
  {
    await using first = await fixture.relay({ outbox: dying });
    await expect(first.ended).rejects.toThrow("killed");
  }
  expect((await sql`select from lockstep.outbox`).length).toBe(2);
  await using _second = await fixture.relay();
  await until(async () => (await sql`select from lockstep.outbox`).length === 0, "the outbox to be empty");
  expect(await fixture.sent()).toEqual(good.map((id) => `${id}:1`).sort());
  expect([...(await fixture.setAside()).keys()]).toEqual([bad]);
});

test("P6: a resend of the present state sends the row once its cause is gone, and replaces it while it is not", async () => {
  await using fixture = await RelayFixture.start();
  const { sql } = fixture;
  await sql`alter table products rename price to cost_price`;
  const [row] = await sql<{ id: string }[]>`
    insert into products (sku, name, cost_price) values ('renamed', 'N', 1) returning id`;
  const { id } = row!;
  await using _relay = await fixture.relay();
  const seqOf = async () => (await fixture.setAside()).get(id)?.seq;
  const first = await until(seqOf, "the row to be set aside");
  await sql`select lockstep.resend('product', array[${id}]::text[])`;
  await until(async () => (await seqOf()) !== first && (await seqOf()), "the resend to be set aside instead");
  await sql`alter table products rename cost_price to price`;
  await sql`select lockstep.resend('product', array[${id}]::text[])`;
  await until(async () => (await fixture.setAside()).size === 0, "the row to be removed");
  expect(await fixture.sent()).toEqual([`${id}:1`]);
});

test("P6: a version that was too large is corrected by a lower one and a resend", async () => {
  await using fixture = await RelayFixture.start();
  const id = await fixture.insert();
  await setVersion(fixture, id, "9007199254740993");
  await fixture.sql`delete from lockstep.outbox where version = 1`;
  await using _relay = await fixture.relay();
  await until(
    async () => (await fixture.setAside()).get(id)?.version === "9007199254740993",
    "the row to be set aside",
  );
  await setVersion(fixture, id, "1");
  await until(async () => (await fixture.setAside()).size === 0, "the row to be removed");
  expect(await fixture.sent()).toEqual([`${id}:1`]);
});

test("P14: a read takes at most 8 MB of rows, and leaves out the content of a larger row", async () => {
  await using fixture = await RelayFixture.start();
  const sizes = [3, 3, 9, 3, 0.001];
  for (const size of sizes) await fixture.insert({ tags: large(size) });
  const rows = await new Outbox(fixture.sql, true).read(200);
  expect(rows.map(({ data, bytes }) => [Math.floor(bytes / MEGABYTE), data === null])).toEqual([
    [3, false],
    [3, false],
    [9, true],
  ]);
});
