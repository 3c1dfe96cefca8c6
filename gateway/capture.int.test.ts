import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { documentOf } from "../contracts/entity/row.ts";
import { createLogger } from "../observability/logger.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import { LOCK_SPACE } from "../relay/leader-lock.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { outbox } from "../tests/harness/gateway.ts";
import { freshDatabase } from "../tests/harness/servers.ts";
import { product, project } from "../tests/project/index.ts";
import { sourceMigrations } from "./migrations/index.ts";

let url: string;
let sql: Sql;
const sessions: Sql[] = [];

/** Opens a new session. */
const session = (databaseUrl = url): Sql => {
  const opened = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  sessions.push(opened);
  return opened;
};

async function migratedDatabase(): Promise<string> {
  const databaseUrl = await freshDatabase();
  await migrate(databaseUrl, sourceMigrations(project), createLogger("test", "1", "silent"));
  return databaseUrl;
}

beforeAll(async () => {
  url = await migratedDatabase();
  sql = session();
}, 60_000);
afterAll(() => Promise.all(sessions.map((opened) => opened.end({ timeout: 1 }))));

const newId = () => Bun.randomUUIDv7();
const insert = (id: string, by: Sql = sql) =>
  by`insert into products (id, sku, name, price) values (${id}, ${id}, 'Cup', 19.90)`;
const changesOf = async (id: string) =>
  (await outbox(sql, id)).map(({ version, operation, data }) => [version, operation, data?.name ?? null]);

describe("every change by plain SQL is in the outbox once, with the next version", () => {
  test("an insert, an update and a delete", async () => {
    const id = newId();
    await insert(id);
    await sql`update products set name = 'Mug', stock = 3 where id = ${id}`;
    await sql`delete from products where id = ${id}`;
    expect(await changesOf(id)).toEqual([
      [1, "upserted", "Cup"],
      [2, "upserted", "Mug"],
      [3, "deleted", null],
    ]);
    const [, updated] = await outbox(sql, id);
    expect(documentOf(product, updated!.data!)).toMatchObject({ id, version: 2, price: "19.90", stock: 3 });
  });

  test("each row of a statement over many rows", async () => {
    const batch = newId();
    const rows = await sql<{ id: string }[]>`
      insert into products (sku, name, price)
      select ${batch} || n, 'Cup', n from generate_series(1, 100) n returning id`;
    await sql`update products set stock = 1 where sku like ${`${batch}%`}`;
    await sql`delete from products where sku like ${`${batch}%`} and price > 50`;
    const changes = await Promise.all(rows.map(({ id }) => changesOf(id)));
    expect(changes.filter((c) => c.length === 2)).toHaveLength(50);
    expect(changes.filter((c) => c.length === 3 && c[2]![1] === "deleted")).toHaveLength(50);
  });

  test("a statement that changes no row adds nothing to the outbox", async () => {
    const before = await outbox(sql);
    await sql`update products set stock = 1 where id = ${newId()}`;
    await sql`delete from products where id = ${newId()}`;
    expect(await outbox(sql)).toEqual(before);
  });

  test("INSERT … ON CONFLICT: inserted and updated rows, and nothing for DO NOTHING", async () => {
    const [old, fresh] = [newId(), newId()];
    await insert(old);
    await sql`
      insert into products (id, sku, name, price) values (${old}, ${old}, 'Mug', 1), (${fresh}, ${fresh}, 'Mug', 1)
      on conflict (id) do update set name = excluded.name`;
    await sql`insert into products (id, sku, name, price) values (${old}, ${old}, 'Jar', 1) on conflict do nothing`;
    expect((await changesOf(old)).slice(1)).toEqual([[2, "upserted", "Mug"]]);
    expect(await changesOf(fresh)).toEqual([[1, "upserted", "Mug"]]);
  });

  test("MERGE with all three actions", async () => {
    const [changed, deleted, inserted] = [newId(), newId(), newId()];
    await insert(changed);
    await insert(deleted);
    await sql`
      merge into products p
      using (values (${changed}::uuid), (${deleted}::uuid), (${inserted}::uuid)) as v (id) on p.id = v.id
      when matched and p.id = ${deleted} then delete
      when matched then update set name = 'Mug'
      when not matched then insert (id, sku, name, price) values (v.id, v.id::text, 'Jar', 1)`;
    expect((await changesOf(changed)).at(-1)).toEqual([2, "upserted", "Mug"]);
    expect((await changesOf(deleted)).at(-1)).toEqual([2, "deleted", null]);
    expect(await changesOf(inserted)).toEqual([[1, "upserted", "Jar"]]);
  });

  test("COPY", async () => {
    const ids = [newId(), newId()];
    const copy = await sql`copy products (id, sku, name, price) from stdin`.writable();
    await new Promise<void>((resolve, reject) => {
      copy.on("finish", resolve).on("error", reject);
      copy.end(ids.map((id) => `${id}\t${id}\tCup\t1\n`).join(""));
    });
    for (const id of ids) expect(await changesOf(id)).toEqual([[1, "upserted", "Cup"]]);
  });

  test("several data-changing parts of one statement", async () => {
    const [a, b] = [newId(), newId()];
    await insert(a);
    await insert(b);
    await sql`
      with one as (update products set name = 'Mug' where id = ${a}), two as (delete from products where id = ${b})
      update products set name = 'Jar' where false`;
    expect((await changesOf(a)).slice(1)).toEqual([[2, "upserted", "Mug"]]);
    expect((await changesOf(b)).slice(1)).toEqual([[2, "deleted", null]]);
  });

  test.each(["replica", "local"])("changes of a session with session_replication_role = %s", async (role) => {
    const id = newId();
    await sql.unsafe(`set session_replication_role = ${role}`);
    await insert(id);
    await sql`update products set name = 'Mug' where id = ${id}`;
    await sql`delete from products where id = ${id}`;
    await insert(id);
    const twice = await sql
      .unsafe(
        `with gone as (delete from products where id = '${id}' returning *) insert into products select * from gone`,
      )
      .catch(({ code }) => code);
    await sql`set session_replication_role = origin`;
    expect(twice).toBe("0A000");
    expect(await changesOf(id)).toEqual([
      [1, "upserted", "Cup"],
      [2, "upserted", "Mug"],
      [3, "deleted", null],
      [4, "upserted", "Cup"],
    ]);
  });

  test("rows that a foreign key deletes", async () => {
    const [parent, child] = [newId(), newId()];
    await sql.unsafe(`create table public.parts (id uuid primary key, version bigint, created_at timestamptz,
      updated_at timestamptz, product uuid references products on delete cascade);
      select lockstep.capture('parts', 'part')`);
    await insert(parent);
    await sql`insert into parts (id, product) values (${child}, ${parent})`;
    await sql`delete from products where id = ${parent}`;
    expect(await changesOf(child)).toEqual([
      [1, "upserted", null],
      [2, "deleted", null],
    ]);
    await sql.unsafe("drop table parts; delete from lockstep.captured where entity = 'part'");
  });

  test("changes by a role that has rights on the table only and cannot read the outbox", async () => {
    const role = `writer_${newId().replaceAll("-", "")}`;
    const id = newId();
    const by = session();
    await sql.unsafe(`
      create role ${role};
      grant usage on schema public to ${role};
      grant select, insert, update, delete on products to ${role}`);
    await by.unsafe(`set role ${role}`);
    await insert(id, by);
    await by`update products set name = 'Mug' where id = ${id}`;
    await by`delete from products where id = ${id}`;
    const peek = await by`select from lockstep.outbox`.catch((error) => error.code);
    await sql.unsafe(`drop owned by ${role}; drop role ${role}`);
    expect(peek).toBe("42501");
    expect(await changesOf(id)).toHaveLength(3);
  });
});

describe("the database sets the version and the times", () => {
  test("values from the writer are overwritten", async () => {
    const id = newId();
    await sql`
      insert into products (id, sku, name, price, version, created_at, updated_at)
      values (${id}, ${id}, 'Cup', 1, 99, '2001-01-01', '2001-01-01')`;
    const [inserted] = await sql`select * from products where id = ${id}`;
    await sql`update products set version = 7, created_at = '2001-01-01', updated_at = '2001-01-01' where id = ${id}`;
    const [updated] = await sql`select * from products where id = ${id}`;
    expect([inserted!.version, updated!.version]).toEqual(["1", "2"]);
    expect(updated!.created_at).toEqual(inserted!.created_at);
    expect(Date.now() - inserted!.created_at).toBeLessThan(60_000);
    expect(updated!.updated_at.getTime()).toBeGreaterThanOrEqual(inserted!.updated_at.getTime());
  });

  test("values from other triggers are overwritten, whatever their names, and one that keeps the old row changes nothing else", async () => {
    const id = newId();
    await insert(id);
    await sql.unsafe(`begin;
      create function change_version() returns trigger language plpgsql as
        $$ begin new.version := 100; new.created_at := '2001-01-01'; return new; end $$;
      create function keep_row() returns trigger language plpgsql as $$ begin return old; end $$;
      create trigger a_first before update on products for each row execute function change_version();
      create trigger zz_last before update on products for each row execute function change_version()`);
    await sql`update products set name = 'Mug' where id = ${id}`;
    await sql`create trigger zzz_keep before update on products for each row execute function keep_row()`;
    await sql`update products set name = 'Jar' where id = ${id}`;
    const found = await changesOf(id);
    await sql`rollback`;
    expect(found).toEqual([
      [1, "upserted", "Cup"],
      [2, "upserted", "Mug"],
      [3, "upserted", "Mug"],
    ]);
  });

  test("times are whole milliseconds, and the document does not depend on the session's time zone", async () => {
    const id = newId();
    await sql`set time zone 'Asia/Kathmandu'`;
    await insert(id);
    await sql`reset time zone`;
    const [row] = await outbox(sql, id);
    const [{ at }] = await sql<[{ at: string }]>`
      select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
      from products where id = ${id}`;
    expect(row!.data!.created_at).toContain("+00:00");
    expect(documentOf(product, row!.data!).createdAt).toBe(at.replace("000Z", "Z"));
  });

  test("a rolled back change leaves no outbox row and no gap in the versions", async () => {
    const id = newId();
    await insert(id);
    await sql.unsafe(`begin; update products set stock = 5 where id = '${id}'; rollback`);
    await sql.unsafe(`begin; savepoint s; delete from products where id = '${id}'; rollback to s; commit`);
    await sql`update products set stock = 6 where id = ${id}`;
    expect((await outbox(sql, id)).map((row) => [row.version, row.data?.stock])).toEqual([
      [1, 0],
      [2, 6],
    ]);
    expect(await sql`select from lockstep.tombstones where id = ${id}`).toHaveLength(0);
  });

  test("eight writers of one row get the versions 1, 2, 3 … in the order of their commits", async () => {
    const id = newId();
    await insert(id);
    const writers = Array.from({ length: 8 }, session);
    await Promise.all(
      writers.map(async (by) => {
        for (let i = 0; i < 25; i++) await by`update products set stock = stock + 1 where id = ${id}`;
      }),
    );
    const rows = await sql<{ version: number; stock: number }[]>`
      select version::int as version, (data ->> 'stock')::int as stock from lockstep.outbox where id = ${id}
      order by pg_xact_commit_timestamp(xmin), seq`;
    expect(rows.map((row) => row.version)).toEqual(Array.from({ length: 201 }, (_, i) => i + 1));
    expect(rows.map((row) => row.stock)).toEqual(Array.from({ length: 201 }, (_, i) => i));
  });
});

describe("a statement that would break the order of versions is rejected with advice", () => {
  const rejection = (statement: PromiseLike<unknown>) =>
    Promise.resolve(statement).then(
      () => undefined,
      ({ code, message, hint }) => ({ code, message, hint }),
    );

  test("a change of the gateway that keeps its version", async () => {
    const id = newId();
    expect(await rejection(sql`select lockstep.reject_uncaptured(${id})`)).toEqual({
      code: "LS002",
      message: `the change of row ${id} is not captured: its version did not rise`,
      hint: "Run lockstep capture, which repairs the triggers.",
    });
  });

  test("TRUNCATE", async () => {
    expect(await rejection(sql`truncate products`)).toEqual({
      code: "0A000",
      message: "TRUNCATE of products is refused: its rows would stay in every replica",
      hint: "Use DELETE.",
    });
  });

  test("deleting and inserting an id in one statement, whichever part ends first", async () => {
    const [a, b] = [newId(), newId()];
    await insert(a);
    await insert(b);
    for (const limit of ["", "limit 1"])
      expect(
        await rejection(
          sql.unsafe(`
            with gone as (delete from products where id in ('${a}', '${b}') returning *)
            insert into products (id, sku, name, price) select id, sku, name, price from gone ${limit}`),
        ),
      ).toMatchObject({ code: "0A000", message: "a product cannot be deleted and inserted by one statement" });
    expect(await changesOf(a)).toEqual([[1, "upserted", "Cup"]]);
  });

  test("capture of a table that lacks required columns or the key", async () => {
    await sql`create table public.incomplete (id uuid primary key, version bigint, created_at timestamptz)`;
    await sql`
      create table public.keyed_otherwise (
        id uuid, n int primary key, version bigint, created_at timestamptz, updated_at timestamptz)`;
    expect((await rejection(sql`select lockstep.capture('incomplete', 'thing')`))?.message).toBe(
      "public.incomplete cannot be captured: it is without the columns updated_at timestamp with time zone",
    );
    expect((await rejection(sql`select lockstep.capture('products', 'thing')`))?.message).toBe(
      "public.products is captured as product already",
    );
    expect((await rejection(sql`select lockstep.capture('keyed_otherwise', 'thing')`))?.message).toBe(
      "public.keyed_otherwise cannot be captured: it has a key with the column id, which can be null",
    );
  });
});

describe("an id that is inserted again continues after its tombstone's version", () => {
  test("in a later transaction, in the same one, and repeatedly", async () => {
    const id = newId();
    await insert(id);
    await sql`delete from products where id = ${id}`;
    await insert(id);
    await sql.unsafe(`
      begin; delete from products where id = '${id}';
      insert into products (id, sku, name, price) values ('${id}', '${id}', 'Jar', 1); commit`);
    expect(await changesOf(id)).toEqual([
      [1, "upserted", "Cup"],
      [2, "deleted", null],
      [3, "upserted", "Cup"],
      [4, "deleted", null],
      [5, "upserted", "Jar"],
    ]);
    expect(await sql`select from lockstep.tombstones where id = ${id}`).toHaveLength(0);
  });

  for (const level of ["read committed", "repeatable read", "serializable"])
    test(`${level}: an insert that waited for the delete and did not see its tombstone fails with 40001`, async () => {
      const id = newId();
      const [deleter, inserter] = [session(), session()];
      await insert(id);
      await deleter.unsafe(`begin; delete from products where id = '${id}'`);
      const [{ pid }] = await inserter<[{ pid: number }]>`select pg_backend_pid() as pid`;
      await inserter.unsafe(`begin isolation level ${level}; select from products`);
      const waiting = insert(id, inserter).catch((error) => error);
      await eventually(() => sql`select from pg_locks where pid = ${pid} and not granted`.then((rows) => rows.length), {
        timeoutMs: 10_000,
        what: "the insert to wait for the delete",
      });
      await deleter`commit`;
      const { code, message, hint } = await waiting;
      expect(code).toBe("40001");
      // With one snapshot PostgreSQL itself reports the collision.
      if (level === "read committed")
        expect([message, hint]).toEqual([
          "a product of the same id was deleted at this moment",
          "Insert it again, in a statement of its own.",
        ]);
      await inserter`rollback`;
      await insert(id, inserter);
      expect((await changesOf(id)).map(([version]) => version)).toEqual([1, 2, 3]);
    });

  test("a session that began with a large insert does not read all tombstones for each later insert", async () => {
    // The bad plan was made while there were no tombstones.
    const fresh = await migratedDatabase();
    const [by, other] = [session(fresh), session(fresh)];
    const rowsRead = async () => {
      await by`select pg_stat_force_next_flush()`;
      const [row] = await by`
        select (seq_tup_read + idx_tup_fetch)::int as rows
        from pg_stat_user_tables where relid = 'lockstep.tombstones'::regclass`;
      return row!.rows;
    };
    await by`insert into products (sku, name, price) select 'large' || n, 'Cup', 1 from generate_series(1, 1000) n`;
    await other`delete from products`;
    const before = await rowsRead();
    await insert(newId(), by);
    expect(await rowsRead()).toBe(before);
  });
});

describe("the context of a write", () => {
  test("is in its outbox rows, and ends with its transaction", async () => {
    const id = newId();
    const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    await sql.unsafe(`
      begin; set local lockstep.traceparent = '${traceparent}'; set local lockstep.actor = 'maria';
      insert into products (id, sku, name, price) values ('${id}', '${id}', 'Cup', 1); commit`);
    await sql`update products set stock = 1 where id = ${id}`;
    expect((await outbox(sql, id)).map((row) => [row.traceparent, row.actor])).toEqual([
      [traceparent, "maria"],
      [null, null],
    ]);
  });
});

describe("a notification for the relay", () => {
  const SLEEP_LOCK = 1;
  /** Counts the notifications of a listening relay. The test's own notification comes after all that it counts. */
  const countNotifications = async () => {
    const payloads: string[] = [];
    await session().listen("lockstep_outbox", (payload) => payloads.push(payload));
    return async () => {
      const end = newId();
      await sql`select pg_notify('lockstep_outbox', ${end})`;
      await eventually(() => payloads.includes(end), { timeoutMs: 10_000, what: "the test's own notification" });
      return payloads.filter((payload) => payload === "").length;
    };
  };

  test("is sent while the relay sleeps under its lock, and not while it is awake", async () => {
    const notifications = await countNotifications();
    const relay = session();
    await insert(newId());
    expect(await notifications()).toBe(0);
    await relay`select pg_advisory_lock(${LOCK_SPACE}, ${SLEEP_LOCK})`;
    const id = newId();
    await insert(id);
    await sql`update products set stock = 1 where id = ${newId()}`; // no row, no change
    expect(await notifications()).toBe(1);
    await sql`update products set stock = 1 where id = ${id}`;
    expect(await notifications()).toBe(2);
    await sql`delete from products where id = ${id}`;
    expect(await notifications()).toBe(3);
    await relay`select pg_advisory_unlock(${LOCK_SPACE}, ${SLEEP_LOCK})`;
  });

  test("is not needed: the relay cannot sleep until a writer that found it awake has committed", async () => {
    const [relay, writer] = [session(), session()];
    const fallsAsleep = async () =>
      (await relay`select pg_try_advisory_lock(${LOCK_SPACE}, ${SLEEP_LOCK}) as asleep`)[0]!.asleep;
    const id = newId();
    await writer.unsafe(`begin; insert into products (id, sku, name, price) values ('${id}', '${id}', 'Cup', 1)`);
    expect(await fallsAsleep()).toBe(false);
    await writer`commit`;
    expect(await fallsAsleep()).toBe(true);
    await relay`select pg_advisory_unlock(${LOCK_SPACE}, ${SLEEP_LOCK})`;
  });
});
