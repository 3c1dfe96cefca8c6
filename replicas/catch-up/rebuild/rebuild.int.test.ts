/** Whole rebuilds, with a log in memory and a real database. */
import { expect, test } from "bun:test";
import { CANARY_ID } from "../../../contracts/canary.ts";
import { type EventMessage, header } from "../../../contracts/event.ts";
import { encodeKnownVersion, type KnownVersion } from "../../../contracts/known-version.ts";
import { replicaTopic, versionsTopic } from "../../../contracts/topics.ts";
import type { RebuildOptions } from "../../../pipeline/rebuild.ts";
import { eventually } from "../../../tests/harness/eventually.ts";
import {
  deleteChange,
  entity,
  newId,
  type ReplicaDatabase,
  replicaDatabase,
  replicaOf,
  routedMessage,
  upsertChange,
} from "../../../tests/harness/replica.ts";
import { SimulatedLog } from "../../../tests/harness/simulated-log.ts";
import { project } from "../../../tests/project/index.ts";
import { applyChanges } from "../../apply/apply.ts";
import { type ReplicatedEntity, replicatedEntities } from "../../replicated-entities.ts";
import { Positions } from "../positions.ts";
import { rebuildTables } from "./rebuild.ts";
import { LogIncompleteError, lockRebuild, prepareTables } from "./tables.ts";

const topic = replicaTopic(entity, "catalog").name;
const entities: readonly ReplicatedEntity[] = [{ entity, replica: replicaOf("catalog") }];

/** A log whose topics have the declared settings. */
class ConfiguredLog extends SimulatedLog {
  override topicConfig(): Promise<ReadonlyMap<string, string>> {
    return Promise.resolve(new Map(Object.entries(replicaTopic(entity, "catalog").config)));
  }
}

/** The message as a repair resends it. */
const resent = (message: EventMessage): EventMessage => ({
  ...message,
  headers: { ...message.headers, [header.resend]: "1" },
});

/** A log with one version of each id, all in partition 0. */
function logOf(partitions: number, ids: readonly string[]): SimulatedLog {
  const log = new ConfiguredLog(partitions);
  for (const id of ids) log.append({ topic, partition: 0 }, [routedMessage(id, 1)]);
  return log;
}

type MoreOptions = Pick<RebuildOptions, "approve" | "restart" | "keepOldest">;
const run = (database: ReplicaDatabase, log: SimulatedLog, more: MoreOptions = {}, of = entities) =>
  rebuildTables(
    { databaseUrl: database.url, log, signal: new AbortController().signal, onProgress: () => {}, ...more },
    of,
  );

const namesIn = async ({ sql }: ReplicaDatabase, table: string): Promise<string[]> =>
  (await sql`select name from ${sql(table)} order by id`).map(({ name }) => name);

test("after a rebuild no position is stale, not even that of a partition without records", async () => {
  await using database = await replicaDatabase("catalog");
  const log = logOf(2, [newId()]);
  for (const partition of [0, 1])
    await database.sql`insert into lockstep.positions (topic, "partition", next_offset, at) values (${topic}, ${partition}, 0, now() - interval '8 days')`;
  await run(database, log);
  const positions = new Positions({ database: database.database, log, group: "g", topics: [topic] });
  expect(await positions.stale()).toBeUndefined();
});

test("P4: new tables that are older than the log keeps tombstones are dropped, so that deleted entities do not come back", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  const [living, deleted] = [newId(), newId()];
  await prepareTables(sql, [database.table]);
  // A run that was interrupted 8 days ago had the entity. Its delete was applied to the live tables, and the log has no
  // trace of it.
  await sql`insert into lockstep_next.versions (entity, id, version, deleted) values ('product', ${deleted}, 1, false)`;
  await sql`insert into lockstep_next.products (id, version, sku, name, description, price, currency, stock, status, tags, created_at, updated_at)
    values (${deleted}, 1, 'gone', 'gone', '', 1, 'BRL', 1, 'draft', '{}', now(), now())`;
  await sql`insert into lockstep_next.positions (topic, "partition", next_offset, at, topic_id)
    values (${topic}, 0, 0, now() - interval '8 days', '1')`;
  await sql`insert into lockstep.versions (entity, id, version, deleted) values ('product', ${deleted}, 2, true)`;
  await run(database, logOf(1, [living]));
  expect((await sql`select id from products`).map(({ id }) => id)).toEqual([living]);
});

test("new tables that are not approved stay beside the live ones, and the next run resumes from them", async () => {
  await using database = await replicaDatabase("catalog");
  const id = newId();
  const log = logOf(1, [id]);
  let seen: string[] = [];
  const first = await run(database, log, {
    async approve({ schema, catchUp }) {
      log.append({ topic, partition: 0 }, [routedMessage(id, 2)]);
      await catchUp();
      seen = await namesIn(database, `${schema}.products`);
      return false;
    },
  });
  expect(seen).toEqual(["at version 2"]);
  expect([first.switched, await namesIn(database, "products")]).toEqual([false, []]);
  log.append({ topic, partition: 0 }, [routedMessage(id, 3)]);
  const second = await run(database, log, { approve: async () => true });
  expect([second.switched, second.resumedAt]).toEqual([true, 2]);
  expect(await namesIn(database, "products")).toEqual(["at version 3"]);
});

test("a resent change repairs the same version in the new tables", async () => {
  await using database = await replicaDatabase("catalog");
  const id = newId();
  const log = logOf(1, []);
  log.append({ topic, partition: 0 }, [routedMessage(id, 1, { name: "damaged" })]);
  await run(database, log, { approve: async () => false });
  log.append({ topic, partition: 0 }, [resent(routedMessage(id, 1, { name: "right" }))]);
  await run(database, log);
  expect(await namesIn(database, "products")).toEqual(["right"]);
});

test("a rebuild that restarts drops what an interrupted one had filled", async () => {
  await using database = await replicaDatabase("catalog");
  const log = logOf(1, [newId()]);
  await run(database, log, { approve: async () => false });
  await database.sql`update lockstep_next.products set name = 'of the first run'`;
  expect(await run(database, log, { restart: true })).toMatchObject({ switched: true, resumedAt: 0 });
  expect(await namesIn(database, "products")).toEqual(["at version 1"]);
});

const epochOf = async ({ sql }: ReplicaDatabase): Promise<number> =>
  Number((await sql`select epoch from lockstep.cache_epoch`)[0]!.epoch);

/** A database that has applied version 3 of each id, from a log that does not exist any more. */
async function filledDatabase(ids: readonly string[]): Promise<ReplicaDatabase> {
  const database = await replicaDatabase("catalog");
  const changes = ids.map((id) => upsertChange(id, 3));
  await applyChanges(database.database, database.table, changes, { epoch: await epochOf(database), cache: "off" });
  return database;
}

/** What the stream knows of an entity, as records of the versions topic. */
const knownVersions = (log: SimulatedLog, id: string, ...versions: readonly KnownVersion[]) =>
  log.append(
    { topic: versionsTopic(entity).name, partition: 0 },
    versions.map((known) => ({ key: id, value: encodeKnownVersion(known), headers: {} })),
  );

const livingIds = async ({ sql }: ReplicaDatabase): Promise<string[]> =>
  (await sql`select id from products order by id`).map(({ id }) => id);

test("P10: a log that lacks rows of the replica, without proof that they are gone, replaces nothing", async () => {
  const ids = Array.from({ length: 5 }, newId).toSorted();
  await using database = await filledDatabase(ids);
  const log = logOf(1, [newId()]);
  const gone = ids[0]!;
  // At the same version, the row may come from a resend that the proof does not know.
  const olds = [2, 3].map((version) => [{ version, absent: ["catalog"] }]);
  for (const known of [[], ...olds, [{ version: 4, absent: ["storefront"] }]]) {
    knownVersions(log, gone, ...known);
    await expect(run(database, log)).rejects.toThrow(
      "the log lacks 5 of 5 entities, so the live tables stay; run lockstep resync: it sends every row again",
    );
  }
  // Absent once, and present later: the record of the later version is lost.
  knownVersions(log, gone, { version: 4, absent: ["catalog"] }, { version: 5, absent: [] });
  await expect(run(database, log)).rejects.toThrow(LogIncompleteError);
  expect(await livingIds(database)).toEqual(ids);
  for (const id of ids) knownVersions(log, id, { version: 6, absent: ["catalog", "storefront"] });
  expect(await run(database, log)).toMatchObject({ switched: true, rows: 1 });
  expect(await livingIds(database)).not.toContain(gone);
});

test("P4: a log that is older than the replica brings no deleted row back, and no older version", async () => {
  const [living, deleted] = [newId(), newId()];
  await using database = await filledDatabase([living, deleted]);
  const guard = { epoch: await epochOf(database), cache: "off" } as const;
  await applyChanges(database.database, database.table, [deleteChange(deleted, 4)], guard);
  const log = logOf(1, [deleted]);
  log.append({ topic, partition: 0 }, [routedMessage(living, 3)]);
  const olderVersions = "the log has older versions of 1 entities";
  await expect(run(database, log)).rejects.toThrow(olderVersions);
  // Not even a comparison with the source approves it: the source was restored, and repair raises its versions first.
  await expect(run(database, log, { approve: async () => true })).rejects.toThrow(olderVersions);
  expect(await livingIds(database)).toEqual([living]);
});

test("P4: the version of a deleted entity is kept, although the log has no trace of it", async () => {
  const [living, deleted] = [newId(), newId()];
  await using database = await filledDatabase([living, deleted]);
  const guard = { epoch: await epochOf(database), cache: "off" } as const;
  await applyChanges(database.database, database.table, [deleteChange(deleted, 4)], guard);
  const log = logOf(1, []);
  log.append({ topic, partition: 0 }, [routedMessage(living, 3)]);
  await run(database, log);
  expect(await database.sql`select version, deleted from lockstep.versions where id = ${deleted}`).toMatchObject([
    { version: "4", deleted: true },
  ]);
});

test("entities that users do not see do not count: a log with the canary alone has nothing", async () => {
  await using database = await filledDatabase([newId()]);
  await database.sql`insert into lockstep.versions (entity, id, version, deleted) values ('canary', ${CANARY_ID}, 1, false)`;
  const log = new ConfiguredLog(1);
  const times = { createdAt: "2026-01-02T03:04:05.678Z", updatedAt: "2026-01-02T03:04:05.678Z" };
  const value = JSON.stringify({ id: CANARY_ID, version: 9, beat: 9, ...times });
  log.append({ topic: "canaries.to.catalog", partition: 0 }, [{ ...routedMessage(CANARY_ID, 9), value }]);
  await expect(run(database, log, {}, replicatedEntities(project, "catalog"))).rejects.toThrow(
    "the log lacks 1 of 1 entities",
  );
});

test("rebuilds that start by themselves keep the tables from before the first one", async () => {
  const [first, second] = [newId(), newId()];
  await using database = await filledDatabase([first]);
  const log = logOf(1, []);
  log.append({ topic, partition: 0 }, [routedMessage(first, 4)]);
  await run(database, log, { keepOldest: true });
  log.append({ topic, partition: 0 }, [routedMessage(second, 1)]);
  await run(database, log, { keepOldest: true });
  expect(await namesIn(database, "lockstep_old.products")).toEqual(["at version 3"]);
  expect(await livingIds(database)).toEqual([first, second].toSorted());
  await expect(run(database, log)).rejects.toThrow(
    "the tables that the last rebuild replaced still exist; drop them with --drop-old",
  );
});

test("a rebuild gives every partition a position of the present topic, also one without records", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  for (const partition of [0, 1])
    await sql`insert into lockstep.positions (topic, "partition", next_offset, at) values (${topic}, ${partition}, 500, now())`;
  await run(database, logOf(2, [newId()]));
  expect(
    await sql`select "partition", next_offset, topic_id from lockstep.positions order by "partition"`,
  ).toMatchObject([
    { partition: 0, next_offset: "1", topic_id: "1" },
    { partition: 1, next_offset: "0", topic_id: "1" },
  ]);
});

test("new tables of an interrupted rebuild are dropped when their topic was created again", async () => {
  await using database = await replicaDatabase("catalog");
  const ids = [newId(), newId()].toSorted();
  await run(database, logOf(1, [newId()]), { approve: async () => false });
  const log = logOf(1, ids);
  log.topicIds = async (topics) => new Map(topics.map((name) => [name, "another"]));
  expect(await run(database, log)).toMatchObject({ switched: true, resumedAt: 0 });
  expect(await livingIds(database)).toEqual(ids);
});

test("a role whose name needs quotes keeps its grants", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  const role = `Report-${newId().slice(0, 8)}`;
  await sql.unsafe(`create role "${role}"; grant select on products, lockstep.versions to "${role}"`);
  await run(database, logOf(1, [newId()]));
  for (const table of ["products", "lockstep.versions"]) {
    const [granted] = await sql`select has_table_privilege(${role}, ${table}, 'select') as granted`;
    expect(granted!.granted, `select on ${table}`).toBe(true);
  }
  await sql.unsafe(`drop owned by "${role}"; drop role "${role}"`);
});

test("the new tables have the storage settings of the live ones", async () => {
  await using database = await replicaDatabase("catalog");
  await run(database, logOf(1, [newId()]));
  const [row] = await database.sql`select reloptions from pg_class where oid = 'lockstep.versions'::regclass`;
  expect(row!.reloptions).toEqual(["fillfactor=80"]);
});

test("a missing table is rejected", async () => {
  await using database = await replicaDatabase("catalog");
  await database.sql`drop table products cascade`;
  await expect(run(database, logOf(1, [newId()]))).rejects.toThrow(
    'table "products" does not exist; start the replica once, which creates it',
  );
});

test("a concurrent rebuild is rejected", async () => {
  await using database = await replicaDatabase("catalog");
  const session = await database.sql.reserve();
  await lockRebuild(session);
  await expect(run(database, logOf(1, [newId()]))).rejects.toThrow("another process is rebuilding");
  await session`select pg_advisory_unlock_all()`;
  session.release();
});

test("what the owner has made on a replica's table survives a rebuild: columns, views, triggers, foreign keys", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  const [same, damaged, missing, gone] = Array.from({ length: 4 }, newId) as [string, string, string, string];
  const changes = [same, damaged, gone].map((id) => upsertChange(id, 1)).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  await applyChanges(database.database, database.table, changes, { epoch: await epochOf(database), cache: "off" });
  await sql.unsafe(`
    alter table products add column note text default 'none';
    update products set note = 'mine';
    create index products_note on products (note);
    create view notes as select id, note from products;
    create table reviews (product uuid references products on delete cascade, stars int);
    insert into reviews select id, 5 from products;
    create table written (id uuid, operation text);
    create function report() returns trigger language plpgsql as $$
      begin insert into written values (coalesce(new.id, old.id), tg_op); return null; end $$;
    create trigger report after insert or update or delete on products for each row execute function report();
    update products set name = 'damaged' where id = '${damaged}';
    truncate written`);
  const log = logOf(1, [same, damaged, missing]);
  log.append({ topic, partition: 0 }, [routedMessage(gone, 2, null)]);
  const before = await sql`select xmin, ctid from products where id = ${same}`;
  expect(await run(database, log)).toMatchObject({ switched: true, rows: 3 });
  expect(new Map((await sql`select * from notes`).map(({ id, note }) => [id, note]))).toEqual(
    new Map([
      [same, "mine"],
      [damaged, "mine"],
      [missing, "none"],
    ]),
  );
  expect(await namesIn(database, "products")).toEqual(["at version 1", "at version 1", "at version 1"]);
  expect(await sql`select product from reviews where stars = 5`).toHaveLength(2);
  expect(new Map((await sql`select * from written`).map(({ id, operation }) => [id, operation]))).toEqual(
    new Map([
      [damaged, "UPDATE"],
      [missing, "INSERT"],
      [gone, "DELETE"],
    ]),
  );
  expect(await sql`select xmin, ctid from products where id = ${same}`, "an equal row is not written").toEqual(before);
  expect(await sql`select from pg_indexes where indexname = 'products_note'`).toHaveLength(1);
});

test("a view on lockstep.versions is rejected, because it would be dropped with the old tables", async () => {
  await using database = await replicaDatabase("catalog");
  await database.sql`create view known as select count(*) from lockstep.versions`;
  await expect(run(database, logOf(1, [newId()]))).rejects.toThrow("view known");
});

/** Waits until a switch has waited for a lock, has given up, and waits again. */
async function untilRetried({ sql }: ReplicaDatabase): Promise<void> {
  for (const waits of [true, false, true])
    await eventually(
      async () => {
        const { length } = await sql`
          select from pg_stat_activity
          where datname = current_database() and application_name = 'lockstep-rebuild' and wait_event_type = 'Lock'`;
        return length > 0 === waits;
      },
      { timeoutMs: 15_000, what: `the switch ${waits ? "" : "not "}to wait for a lock` },
    );
}

test("a long read delays the switch, not the other readers; the switch happens when it has ended", async () => {
  await using database = await replicaDatabase("catalog");
  const { sql } = database;
  const reading = await sql.reserve();
  await reading.unsafe("begin; select count(*) from products");
  const done = run(database, logOf(1, [newId()]));
  let longest = 0;
  let isRetried = false;
  const retried = untilRetried(database).finally(() => {
    isRetried = true;
  });
  while (!isRetried) {
    const start = performance.now();
    await sql`select count(*) from products`;
    longest = Math.max(longest, performance.now() - start);
  }
  await retried;
  await reading.unsafe("commit");
  reading.release();
  await done;
  expect(longest).toBeLessThan(1_800);
  expect((await sql`select id from products`).length).toBe(1);
}, 30_000);
