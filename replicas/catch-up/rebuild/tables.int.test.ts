import { expect, test } from "bun:test";
import type { EventMessage } from "../../../contracts/event.ts";
import { replicaTopic } from "../../../contracts/topics.ts";
import {
  entity,
  newId,
  type ReplicaDatabase,
  replicaDatabase,
  replicaOf,
  routedMessage,
} from "../../../tests/harness/replica.ts";
import { SimulatedLog } from "../../../tests/harness/simulated-log.ts";
import { replicaTable } from "../../table.ts";
import { fillPartition } from "./fill.ts";
import { prepareTables } from "./tables.ts";

const TRIGGER = `
  create function complete() returns trigger language plpgsql as $$ begin new.name := coalesce(new.name, new.sku); return new; end $$;
  create trigger complete before insert or update on products for each row execute function complete()`;

test("a trigger that completes rows is copied to the new tables, so that a rebuild works during a schema change", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  await sql.unsafe(TRIGGER);
  for (let run = 0; run < 2; run++) await prepareTables(sql, [database.table]);
  const id = newId();
  await sql`insert into lockstep_next.products (id, version, sku, description, price, currency, stock, status, tags, created_at, updated_at)
    values (${id}, 1, 'cup', '', 1, 'BRL', 1, 'draft', '{}', now(), now())`;
  expect(await sql`select name from lockstep_next.products`).toMatchObject([{ name: "cup" }]);
});

test("a table with what cannot move to a new table stays, and the switch merges the new rows into it", async () => {
  const objects = [
    TRIGGER.replace("before insert or update", "after insert"),
    "create rule soft as on delete to products do instead update products set stock = 0 where id = old.id",
    "create view cheap as select * from products where price < 1",
    "create table notes (product uuid references products, note text)",
    "alter table products enable row level security",
    "alter table products add column note text",
  ];
  for (const object of objects) {
    await using database = await replicaDatabase("catalog");
    const isMerged = async () => (await prepareTables(database.sql, [database.table]))[0]!.relations[0]!.isMerged;
    expect([object, await isMerged()]).toEqual([object, false]);
    await database.sql.unsafe(object);
    expect([object, await isMerged()]).toEqual([object, true]);
  }
});

test("an interrupted rebuild is resumed, but not into tables from before a migration", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  const positions = () => sql`select next_offset from lockstep_next.positions`;
  await prepareTables(sql, [database.table]);
  await sql`insert into lockstep_next.positions (topic, "partition", next_offset, at) values ('products.to.catalog', 0, 7, now())`;
  await prepareTables(sql, [database.table]);
  expect(await positions()).toMatchObject([{ next_offset: "7" }]);
  await sql`alter table products add column title text`;
  await prepareTables(sql, [database.table]);
  expect(await positions()).toHaveLength(0);
  await sql`insert into lockstep_next.positions (topic, "partition", next_offset, at) values ('products.to.catalog', 0, 7, now())`;
  const { name: _, ...fields } = replicaOf("catalog").fields;
  await prepareTables(sql, [replicaTable(entity, { ...replicaOf("catalog"), fields })]);
  expect(await positions(), "after a change of the declared columns").toHaveLength(0);
});

/** Fills the new table with the messages. @returns the ids of rejected rows, and of those that the tables have. */
async function fill(database: ReplicaDatabase, messages: readonly EventMessage[]) {
  const { sql } = database;
  const [table] = await prepareTables(sql, [database.table]);
  const replica = replicaOf("catalog");
  const at = { topic: replicaTopic(entity, "catalog").name, partition: 0 };
  const log = new SimulatedLog(1);
  for (const message of messages) log.append(at, [message]);
  const rejected: string[] = [];
  const { signal } = new AbortController();
  const deps = {
    run: (work: (by: typeof sql) => Promise<unknown>) => work(sql),
    log,
    signal,
    onRejected: (id: string) => void rejected.push(id),
  };
  const source = { ...at, entity, replica, topicId: "", table: table! };
  const readPosition = async () =>
    Number((await sql`select next_offset from lockstep_next.positions where topic = ${at.topic}`)[0]?.next_offset ?? 0);
  await fillPartition(deps, source, await readPosition(), messages.length, () => {});
  expect(await readPosition()).toBe(messages.length);
  const rows = await sql<{ id: string; version: number | null; row: number | null; deleted: boolean | null }[]>`
    select v.id, v.version::int, p.version::int as row, deleted
    from lockstep_next.products p full join lockstep_next.versions v on v.id = p.id::text order by v.id`;
  return { rejected: rejected.toSorted(), rows: [...rows] };
}

test("rows that the table rejects are left out and reported; all others are filled, and the position is saved", async () => {
  await using database = await replicaDatabase("catalog");
  await database.sql`alter table products add constraint no_poison check (name <> 'poison')`;
  const ids = Array.from({ length: 30 }, newId);
  const poisoned = new Set([ids[0]!, ids[7]!, ids[8]!, ids[29]!]);
  const { rejected, rows } = await fill(
    database,
    ids.map((id) => routedMessage(id, 1, { name: poisoned.has(id) ? "poison" : "cup" })),
  );
  expect(rejected).toEqual([...poisoned].toSorted());
  const filled = ids.filter((id) => !poisoned.has(id)).toSorted();
  expect(rows).toEqual(filled.map((id) => ({ id, version: 1, row: 1, deleted: false })));
});

test("rows that a trigger skips or changes count as rejected: no version is saved without its row", async () => {
  await using database = await replicaDatabase("catalog");
  await database.sql.unsafe(`
    create function rule() returns trigger language plpgsql as $$ begin
      if tg_op = 'DELETE' then return case when old.name = 'keep' then null else old end; end if;
      if new.name = 'skip' then return null; end if;
      if new.name = 'id' then new.id := gen_random_uuid(); end if;
      if new.name = 'version' then new.version := 99; end if;
      return new;
    end $$;
    create trigger rule before insert or update or delete on products for each row execute function rule()`);
  const [good, skipped, older, otherId, otherVersion, kept, gone] = Array.from({ length: 7 }, newId) as [
    string,
    ...string[],
  ];
  const first = [
    routedMessage(older!, 1, { name: "cup" }),
    routedMessage(kept!, 1, { name: "keep" }),
    routedMessage(gone!, 1, { name: "cup" }),
  ];
  expect((await fill(database, first)).rejected).toEqual([]);
  const { rejected, rows } = await fill(database, [
    ...first,
    routedMessage(good, 1, { name: "cup" }),
    routedMessage(skipped!, 1, { name: "skip" }),
    routedMessage(older!, 2, { name: "skip" }),
    routedMessage(otherId!, 1, { name: "id" }),
    routedMessage(otherVersion!, 1, { name: "version" }),
    routedMessage(kept!, 2, null),
    routedMessage(gone!, 2, null),
    routedMessage(newId(), 1, null),
  ]);
  expect(rejected).toEqual([skipped!, older!, otherId!, otherVersion!, kept!].toSorted());
  // A rejected row keeps what the table had. The last message deletes what was never there.
  expect(rows.filter(({ deleted }) => !deleted)).toEqual(
    [good, older!, kept!].toSorted().map((id) => ({ id, version: 1, row: 1, deleted: false })),
  );
  expect(rows.filter(({ deleted }) => deleted)).toMatchObject([{ row: null }, { row: null }]);
});
