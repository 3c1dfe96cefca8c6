import { expect, test } from "bun:test";
import { replicaTopic } from "../../../contracts/topics.ts";
import { entity, newId, replicaDatabase, replicaOf, routedMessage } from "../../../tests/harness/replica.ts";
import { SimulatedLog } from "../../../tests/harness/simulated-log.ts";
import { fillPartition } from "./fill.ts";
import { prepareTables, RebuildRejectedError } from "./tables.ts";

const TRIGGER = `
  create function complete() returns trigger language plpgsql as $$ begin new.name := coalesce(new.name, new.sku); return new; end $$;
  create trigger complete before insert or update on products for each row execute function complete()`;

test("a trigger that completes rows is copied to the new tables, so that a rebuild works during a schema change", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  await sql.unsafe(TRIGGER);
  for (let run = 0; run < 2; run++) await prepareTables(sql, ["products"]);
  const id = newId();
  await sql`insert into lockstep_next.products (id, version, sku, description, price, currency, stock, status, tags, created_at, updated_at)
    values (${id}, 1, 'cup', '', 1, 'BRL', 1, 'draft', '{}', now(), now())`;
  expect(await sql`select name from lockstep_next.products`).toMatchObject([{ name: "cup" }]);
});

test("a trigger that reports rows is rejected, because the rows of a rebuild are not new", async () => {
  await using database = await replicaDatabase("catalog");
  await database.sql.unsafe(TRIGGER.replace("before insert or update", "after insert"));
  await expect(prepareTables(database.sql, ["products"])).rejects.toThrow(RebuildRejectedError);
});

test("an interrupted rebuild is resumed, but not into tables from before a migration", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  const positions = () => sql`select next_offset from lockstep_next.positions`;
  await prepareTables(sql, ["products"]);
  await sql`insert into lockstep_next.positions (topic, "partition", next_offset, at) values ('products.to.catalog', 0, 7, now())`;
  await prepareTables(sql, ["products"]);
  expect(await positions()).toMatchObject([{ next_offset: "7" }]);
  await sql`alter table products add column title text`;
  const [newTable] = await prepareTables(sql, ["products"]);
  expect(newTable!.columns.map(({ name }) => name)).toContain("title");
  expect(await positions()).toHaveLength(0);
});

test("rows that the table rejects are left out and reported; all others are filled, and the position is saved", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  await sql`alter table products add constraint no_poison check (name <> 'poison')`;
  const [table] = await prepareTables(sql, ["products"]);
  const replica = replicaOf("catalog");
  const at = { topic: replicaTopic(entity, "catalog").name, partition: 0 };
  const log = new SimulatedLog(1);
  const ids = Array.from({ length: 30 }, newId);
  const poisoned = new Set([ids[0]!, ids[7]!, ids[8]!, ids[29]!]);
  for (const id of ids) log.append(at, [routedMessage(id, 1, { name: poisoned.has(id) ? "poison" : "cup" })]);
  const rejected: string[] = [];
  const { signal } = new AbortController();
  const deps = {
    run: (work: (by: typeof sql) => Promise<unknown>) => work(sql),
    log,
    signal,
    onRejected: (id: string) => void rejected.push(id),
  };
  await fillPartition(deps, { ...at, entity, replica, topicId: "", table: table! }, 0, 30, () => {});
  expect(rejected.toSorted()).toEqual([...poisoned].toSorted());
  const filled = await sql<
    { id: string }[]
  >`select id from lockstep_next.products join lockstep_next.versions using (id)`;
  expect(filled.map(({ id }) => id).toSorted()).toEqual(ids.filter((id) => !poisoned.has(id)).toSorted());
  expect(await sql`select next_offset from lockstep_next.positions`).toMatchObject([{ next_offset: "30" }]);
});
