import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { createLogger } from "../observability/logger.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import { freshDatabase } from "../tests/harness/servers.ts";
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
const outboxOf = (id: string) =>
  sql`
    select version::int, operation, data->>'name' as name, resend
    from lockstep.outbox where id = ${id} order by seq offset 1`;
const call = async (name: "send" | "resend", ids: string[], atLeast?: number[]) => {
  const [row] = atLeast
    ? await sql`select lockstep.resend('product', ${ids}::uuid[], ${atLeast}::bigint[]) as sent`
    : await sql`select ${sql(`lockstep.${name}`)}('product', ${ids}::uuid[]) as sent`;
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
