import { expect, test } from "bun:test";
import { newId, replicaDatabase } from "../../tests/harness/replica.ts";
import { prepareNext, RebuildRefusedError } from "./tables.ts";

const TRIGGER = `
  create function complete() returns trigger language plpgsql as $$ begin new.name := coalesce(new.name, new.sku); return new; end $$;
  create trigger complete before insert or update on products for each row execute function complete()`;

test("a trigger that completes rows is on the new tables too, so that a rebuild can be done during a change of the schema", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  await sql.unsafe(TRIGGER);
  for (let run = 0; run < 2; run++) await prepareNext(sql, ["products"]);
  const id = newId();
  await sql`insert into lockstep_next.products (id, version, sku, description, price, currency, stock, status, tags, created_at, updated_at)
    values (${id}, 1, 'cup', '', 1, 'BRL', 1, 'draft', '{}', now(), now())`;
  expect(await sql`select name from lockstep_next.products`).toMatchObject([{ name: "cup" }]);
});

test("a trigger that tells of rows is refused: those of a rebuild are not new", async () => {
  await using database = await replicaDatabase("catalog");
  await database.sql.unsafe(TRIGGER.replace("before insert or update", "after insert"));
  await expect(prepareNext(database.sql, ["products"])).rejects.toThrow(RebuildRefusedError);
});

test("a rebuild that was interrupted goes on, but not into tables from before a migration", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  const positions = () => sql`select next_offset from lockstep_next.positions`;
  await prepareNext(sql, ["products"]);
  await sql`insert into lockstep_next.positions (topic, "partition", next_offset, at) values ('products.to.catalog', 0, 7, now())`;
  await prepareNext(sql, ["products"]);
  expect(await positions()).toMatchObject([{ next_offset: "7" }]);
  await sql`alter table products add column title text`;
  const [next] = await prepareNext(sql, ["products"]);
  expect(next!.columns.map(({ name }) => name)).toContain("title");
  expect(await positions()).toHaveLength(0);
});
