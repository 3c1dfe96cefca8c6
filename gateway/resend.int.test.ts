import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { createLogger } from "../observability/logger.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import { freshDatabase } from "../tests/harness/parts.ts";
import { migrations } from "./migrations/index.ts";

let sql: Sql;
beforeAll(async () => {
  const url = await freshDatabase();
  await migrate(url, migrations, createLogger("test", "1", "silent"));
  sql = postgres(url, { max: 2, onnotice: () => {} });
}, 60_000);
afterAll(() => sql.end({ timeout: 1 }));

const insert = async (): Promise<string> => {
  const id = Bun.randomUUIDv7();
  await sql`insert into products (id, sku, name, price) values (${id}, ${id}, 'Cup', 19.90)`;
  return id;
};
const sentOf = (id: string) =>
  sql`select version::int, operation, data->>'name' as name, resend from lockstep.outbox where id = ${id} order by seq offset 1`;
const call = async (name: "send" | "resend", ids: string[], atLeast?: number[]) => {
  const [row] = atLeast
    ? await sql`select lockstep.resend('product', ${ids}::uuid[], ${atLeast}::bigint[]) as sent`
    : await sql`select ${sql(`lockstep.${name}`)}('product', ${ids}::uuid[]) as sent`;
  return Number(row!.sent);
};

test("send puts rows into the outbox under the versions that they have, and leaves them as they are", async () => {
  const id = await insert();
  const [before] = await sql`select * from products where id = ${id}`;
  expect(await call("send", [id, Bun.randomUUIDv7()])).toBe(1);
  expect([...(await sentOf(id))]).toEqual([{ version: 1, operation: "upserted", name: "Cup", resend: false }]);
  expect((await sql`select * from products where id = ${id}`)[0]).toEqual(before!);
});

test("resend marks what it sends, and sends a delete for a row that is gone, with its tombstone's version", async () => {
  const [there, gone] = [await insert(), await insert()];
  await sql`update products set name = 'Mug' where id = ${there}`;
  await sql`delete from products where id = ${gone}`;
  expect(await call("resend", [there, gone])).toBe(2);
  expect((await sentOf(there)).at(-1)).toEqual({ version: 2, operation: "upserted", name: "Mug", resend: true });
  expect((await sentOf(gone)).at(-1)).toEqual({ version: 2, operation: "deleted", name: null, resend: true });
});

test("an id that the source has never had is sent as a delete of the version asked for, and goes on from there", async () => {
  const id = Bun.randomUUIDv7();
  expect(await call("resend", [id], [7])).toBe(1);
  const [sent] = await sql`select version::int, operation, resend from lockstep.outbox where id = ${id}`;
  expect(sent).toEqual({ version: 7, operation: "deleted", resend: true });
  await sql`insert into products (id, sku, name, price) values (${id}, ${id}, 'Cup', 1)`;
  expect((await sql`select version::int from products where id = ${id}`)[0]).toEqual({ version: 8 });
});

test("an entity that is not captured is refused by name", async () => {
  await expect(sql`select lockstep.send('order', '{}')`.execute()).rejects.toThrow("no table is captured as order");
});

test("the digest of a row is the same whatever the writer's time zone, and is what verification computes", async () => {
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
