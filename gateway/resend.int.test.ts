import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { createLogger } from "../observability/logger.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { freshDatabase } from "../tests/harness/servers.ts";
import { project } from "../tests/project/index.ts";
import { sourceMigrations } from "./migrations/index.ts";

let sql: Sql;
beforeAll(async () => {
  const url = await freshDatabase();
  await migrate(url, sourceMigrations(project), createLogger("test", "1", "silent"));
  sql = postgres(url, { max: 2, onnotice: () => {} });
}, 60_000);
afterAll(() => sql.end({ timeout: 1 }));

const insert = async (): Promise<string> => {
  const id = Bun.randomUUIDv7();
  await sql`insert into products (id, sku, name, price) values (${id}, ${id}, 'Cup', 19.90)`;
  return id;
};
const outboxOf = (id: string) =>
  sql`
    select version::int, operation, data->>'name' as name, resend
    from lockstep.outbox where id = ${id} order by seq offset 1`;
const call = async (name: "send" | "resend", ids: string[], atLeast?: number[]) => {
  const [row] = atLeast
    ? await sql`select lockstep.resend('product', ${ids}::text[], ${atLeast}::bigint[]) as sent`
    : await sql`select ${sql(`lockstep.${name}`)}('product', ${ids}::text[]) as sent`;
  return Number(row!.sent);
};

test("send puts rows into the outbox under their versions and does not change them", async () => {
  const id = await insert();
  const [before] = await sql`select * from products where id = ${id}`;
  expect(await call("send", [id, Bun.randomUUIDv7()])).toBe(1);
  expect([...(await outboxOf(id))]).toEqual([{ version: 1, operation: "upserted", name: "Cup", resend: false }]);
  expect((await sql`select * from products where id = ${id}`)[0]).toEqual(before!);
});

test("resend marks its outbox rows, and sends a delete with the tombstone's version for a deleted row", async () => {
  const [existing, deleted] = [await insert(), await insert()];
  await sql`update products set name = 'Mug' where id = ${existing}`;
  await sql`delete from products where id = ${deleted}`;
  expect(await call("resend", [existing, deleted])).toBe(2);
  expect((await outboxOf(existing)).at(-1)).toEqual({ version: 2, operation: "upserted", name: "Mug", resend: true });
  expect((await outboxOf(deleted)).at(-1)).toEqual({ version: 2, operation: "deleted", name: null, resend: true });
});

test("an unknown id is sent as a delete with the requested version, and continues from that version", async () => {
  const id = Bun.randomUUIDv7();
  expect(await call("resend", [id], [7])).toBe(1);
  const [sent] = await sql`select version::int, operation, resend from lockstep.outbox where id = ${id}`;
  expect(sent).toEqual({ version: 7, operation: "deleted", resend: true });
  await sql`insert into products (id, sku, name, price) values (${id}, ${id}, 'Cup', 1)`;
  expect((await sql`select version::int from products where id = ${id}`)[0]).toEqual({ version: 8 });
});

test("P4: a resend of an id waits for its insert in progress, and sends the row instead of a newer delete", async () => {
  const id = Bun.randomUUIDv7();
  const writer = await sql.reserve();
  await writer`begin`;
  await writer`insert into products (id, sku, name, price) values (${id}, ${id}, 'Cup', 1)`;
  const resent = call("resend", [id], [7]);
  await eventually(
    async () => (await writer`select from pg_locks where relation = 'products'::regclass and not granted`).length > 0,
    { timeoutMs: 10_000, what: "the resend to wait for the insert" },
  );
  await writer`commit`;
  writer.release();
  expect(await resent).toBe(1);
  expect([...(await outboxOf(id))]).toEqual([{ version: 1, operation: "upserted", name: "Cup", resend: true }]);
});

test("P10: a resync starts over where a backfill was in progress, and continues where a resync was", async () => {
  const ids = [await insert(), await insert(), await insert()].sort();
  await sql`delete from products where id <> all (${ids}::uuid[])`;
  await sql`delete from lockstep.outbox`;
  const step = () => sql`select lockstep.backfill('product', 1)`;
  const begin = async (log: string, anew: boolean) =>
    (
      await sql`select sent::int, log_state as log from lockstep.begin_resync('product', ${log}::text::jsonb, ${anew})`
    )[0];
  const sent = async () =>
    (await sql`select id, resend from lockstep.outbox order by seq`).map(({ id, resend }) => [ids.indexOf(id), resend]);

  await sql`select lockstep.begin_backfill('product')`;
  await step();
  expect(await begin('"first"', false)).toEqual({ sent: 0, log: "first" });
  await step();
  expect(await begin('"second"', false)).toEqual({ sent: 1, log: "first" });
  await sql`select lockstep.begin_backfill('product')`;
  await step();
  expect(await begin('"third"', true)).toEqual({ sent: 0, log: "third" });
  await step();
  expect(await sent()).toEqual([
    [0, false],
    [0, true],
    [1, true],
    [0, true],
  ]);
});

test("an entity that is not captured is rejected by its name", async () => {
  await expect(sql`select lockstep.send('order', '{}')`.execute()).rejects.toThrow("no table is captured as order");
});

test("the digest of a row does not depend on the writer's time zone and equals verification's digest", async () => {
  const id = Bun.randomUUIDv7();
  const tokyo = await sql.reserve();
  await tokyo`set timezone = 'Asia/Tokyo'`;
  await tokyo`insert into products (id, sku, name, price) values (${id}, ${id}, 'Cup', 19.90)`;
  const [captured] = await tokyo`select digest::text from lockstep.outbox where id = ${id}`;
  await tokyo`set timezone = 'UTC'`;
  const [row] =
    await tokyo`select hashtextextended(to_jsonb(p)::text, 0)::text as digest from products p where id = ${id}`;
  tokyo.release();
  expect(captured).toEqual(row!);
});
