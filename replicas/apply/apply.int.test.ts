import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Document, Version } from "../../contracts/entity/document.ts";
import { documentOf, rowOf } from "../../contracts/entity/row.ts";
import {
  deleteChange,
  document,
  entity,
  newId,
  openDatabase,
  type ReplicaDatabase,
  replicaDatabase,
  replicaOf,
  upsertChange,
  waitingForLocks,
} from "../../tests/harness/replica.ts";
import { project } from "../../tests/project/index.ts";
import { Rows } from "../reads/rows.ts";
import { replicaTable } from "../table.ts";
import { applyChanges, type CacheGuard, type Change, EpochMovedError, prepareTable } from "./apply.ts";

let at: ReplicaDatabase;
let guard: CacheGuard;

beforeAll(async () => {
  at = await replicaDatabase("catalog");
  guard = await currentGuard();
}, 60_000);
afterAll(() => at[Symbol.asyncDispose]());

async function currentGuard(): Promise<CacheGuard> {
  const [row] = await at.sql<
    { epoch: string; run_id: string | null }[]
  >`select epoch, run_id from lockstep.cache_epoch`;
  return { epoch: Number(row!.epoch), cache: row!.run_id === null ? "off" : "fenced" };
}

const apply = async (...changes: Change[]) => (await applyChanges(at.database, at.table, changes, guard)).unchanged;
const versionOf = async (id: string): Promise<Version | undefined> => {
  const [row] = await at.sql<{ version: string }[]>`select version from products where id = ${id}`;
  return row && Number(row.version);
};

describe("newer changes are applied, and others are reported as unchanged", () => {
  test("an insert, an update and a delete take effect one after the other", async () => {
    const id = newId();
    expect(await apply(upsertChange(id, 1))).toEqual(new Map());
    expect(await apply(upsertChange(id, 2, { name: "second" }))).toEqual(new Map());
    const [row] = await at.sql`select name, price, tags, stock from products where id = ${id}`;
    expect(row).toEqual({ name: "second", price: "19.90", tags: ["a", "b"], stock: 2 });
    expect(await apply(deleteChange(id, 3))).toEqual(new Map());
    expect(await versionOf(id)).toBeUndefined();
  });

  test("a resent change replaces the same version, whatever happened to the row, but no newer one", async () => {
    const [altered, lost, extra, newer] = [newId(), newId(), newId(), newId()];
    await apply(upsertChange(altered, 2), upsertChange(lost, 2), deleteChange(extra, 2), upsertChange(newer, 3));
    await at.sql`update products set name = 'altered', version = 99 where id = ${altered}`;
    await at.sql`delete from products where id = ${lost}`;
    await at.sql`insert into products select (jsonb_populate_record(p, jsonb_build_object('id', ${extra}::uuid))).* from products p where id = ${newer}`;
    const resent = (change: Change): Change => ({ ...change, resend: "1" });
    const changes = [
      upsertChange(altered, 2),
      upsertChange(lost, 2),
      deleteChange(extra, 2),
      upsertChange(newer, 2),
    ].map(resent);
    expect(await apply(...changes)).toEqual(new Map([[newer, 3]]));
    const rows =
      await at.sql`select id, version::int, name from products where id in ${at.sql([altered, lost, extra, newer])}`;
    expect(new Map(rows.map(({ id, version, name }) => [id, [version, name]]))).toEqual(
      new Map([
        [altered, [2, "at version 2"]],
        [lost, [2, "at version 2"]],
        [newer, [3, "at version 3"]],
      ]),
    );
  });

  test("an entity's row and its version are written by one transaction, with the source's digest", async () => {
    const id = newId();
    await apply({ ...upsertChange(id, 1), digest: "-42" });
    await apply({ ...upsertChange(id, 2), digest: "9223372036854775807" });
    const [row] = await at.sql`
      select v.digest::text, v.deleted, v.xmin = p.xmin as together
      from lockstep.versions v join products p on p.id::text = v.id where v.id = ${id}`;
    expect(row).toEqual({ digest: "9223372036854775807", deleted: false, together: true });
  });

  test("the same version and an older one change nothing", async () => {
    const id = newId();
    await apply(upsertChange(id, 5));
    expect(await apply(upsertChange(id, 5, { name: "again" }))).toEqual(new Map([[id, 5]]));
    expect(await apply(upsertChange(id, 4, { name: "late" }))).toEqual(new Map([[id, 5]]));
    expect(await apply(deleteChange(id, 3))).toEqual(new Map([[id, 5]]));
    const [row] = await at.sql`select name, version from products where id = ${id}`;
    expect(row).toEqual({ name: "at version 5", version: "5" });
  });

  test("P4: a late upsert does not bring back a deleted entity, not even one that never existed here", async () => {
    const [known, unknown] = [newId(), newId()];
    await apply(upsertChange(known, 1));
    await apply(deleteChange(known, 3));
    await apply(deleteChange(unknown, 3));
    const late = [upsertChange(known, 2), upsertChange(unknown, 2)].sort((a, b) => (a.id < b.id ? -1 : 1));
    expect(await apply(...late)).toEqual(new Map([known, unknown].map((id) => [id, 3])));
    expect([await versionOf(known), await versionOf(unknown)]).toEqual([undefined, undefined]);
    await apply(upsertChange(known, 4));
    expect(await versionOf(known)).toBe(4);
  });

  test("one batch may have new, unchanged and deleted entities", async () => {
    const [fresh, known, gone, never] = [newId(), newId(), newId(), newId()];
    await apply(upsertChange(known, 7));
    await apply(upsertChange(gone, 1));
    const unchanged = await apply(
      upsertChange(fresh, 1),
      upsertChange(known, 6),
      deleteChange(gone, 2),
      deleteChange(never, 1),
    );
    expect(unchanged).toEqual(new Map([[known, 7]]));
    expect(await Promise.all([fresh, known, gone, never].map(versionOf))).toEqual([1, 7, undefined, undefined]);
  });

  test("a rejected row undoes its whole batch", async () => {
    const [good, bad] = [newId(), newId()];
    await expect(apply(upsertChange(good, 1), upsertChange(bad, 1, { stock: "many" }))).rejects.toThrow("many");
    expect(await apply(upsertChange(good, 1))).toEqual(new Map());
  });
});

describe("two appliers", () => {
  /** Runs one apply in a transaction that stays open until the second one waits for its lock. */
  async function interleaved(first: Change, second: Change): Promise<void> {
    const held = await at.sql.reserve();
    try {
      const call = ({ id, version, document }: Change) => [
        id,
        version,
        document === null,
        JSON.stringify(document ? [rowOf(replicaOf("catalog"), document)] : []),
        guard.epoch,
      ];
      const statement = `select * from lockstep.${await at.table.applyFunction(at.database)}(
        array[$1::text], array[$2::bigint], array[$3::boolean], array[null::bigint], $4::text::json, '{}', $5, 'off')`;
      await held.unsafe("begin");
      await held.unsafe(statement, call(first));
      const waiting = at.database.query((sql) => sql.unsafe(statement, call(second)));
      await waitingForLocks(at, 1);
      await held.unsafe("commit");
      await waiting;
    } finally {
      held.release();
    }
  }

  test("P4: a delete that waited for a concurrent insert removes the inserted row", async () => {
    const id = newId();
    await interleaved(upsertChange(id, 5), deleteChange(id, 6));
    expect(await versionOf(id)).toBeUndefined();
  });

  test("P4: an insert that waited for a newer delete inserts no row", async () => {
    const id = newId();
    await interleaved(deleteChange(id, 6), upsertChange(id, 5));
    expect(await versionOf(id)).toBeUndefined();
  });

  test("P3: of two concurrent updates the newer one remains", async () => {
    const [a, b] = [newId(), newId()];
    await interleaved(upsertChange(a, 5), upsertChange(a, 6));
    await interleaved(upsertChange(b, 6), upsertChange(b, 5));
    expect([await versionOf(a), await versionOf(b)]).toEqual([6, 6]);
  });

  test("concurrent batches of the same ids: the newest version wins, deletes stay, and no deadlock occurs", async () => {
    const other = openDatabase(at.url);
    try {
      for (let round = 0; round < 60; round++) {
        const ids = Array.from({ length: 20 }, newId).sort();
        // Of every second id, one batch inserts and the other deletes with a newer version; of the rest both upsert.
        const one = ids.map((id, i) => upsertChange(id, i % 2 ? 5 : 7));
        const two = ids.map((id, i) => (i % 2 ? deleteChange(id, 6) : upsertChange(id, 6)));
        const [first, second] = round % 2 ? [at.database, other] : [other, at.database];
        await Promise.all([applyChanges(first, at.table, one, guard), applyChanges(second, at.table, two, guard)]);
        const rows = await at.sql`select id, version::int from products where id = any (${ids}) order by id`;
        expect([...rows]).toEqual(ids.filter((_, i) => i % 2 === 0).map((id) => ({ id, version: 7 })));
      }
    } finally {
      await other.close();
    }
  });
});

describe("documents and rows", () => {
  const text = (max: number) =>
    fc.string({ unit: "grapheme", maxLength: max }).map((s) => s.replaceAll("\u0000", "").toWellFormed());
  const fields = fc.record({
    sku: text(20),
    name: text(20),
    description: fc.oneof(text(200), fc.constantFrom("null", '"', "\\", "{}", "\n\t\r", "\u2028")),
    price: fc.tuple(fc.nat(9_999_999_999), fc.nat(99)).map(([n, c]) => `${n}.${String(c).padStart(2, "0")}`),
    stock: fc.nat(1_000_000_000),
    tags: fc.uniqueArray(fc.oneof(text(10), fc.constantFrom("a,b", "{", "}", '"', "\\", "NULL", " ")), {
      maxLength: 5,
    }),
    createdAt: fc
      .date({ min: new Date(0), max: new Date("9999-01-01"), noInvalidDate: true })
      .map((d) => d.toISOString()),
  });

  test("a read of PostgreSQL returns the same text as the cache, for any document", async () => {
    const replica = replicaOf("catalog");
    const rows = new Rows(at.database, at.table);
    await fc.assert(
      fc.asyncProperty(fc.array(fields, { minLength: 1, maxLength: 20 }), async (documents) => {
        const changes = documents.map((given) => {
          const id = newId();
          const whole: Document = { ...document(id, 1), ...given };
          return { id, version: 1, document: whole };
        });
        await apply(...changes);
        for (const { id, document } of changes)
          expect((await rows.one(id))?.body).toBe(JSON.stringify(documentOf(replica, rowOf(replica, document))));
      }),
      { numRuns: 20 },
    );
  });

  test.each([...project.replicaNames])("the tables of replica %s have exactly the declared columns", async (name) => {
    await using fresh = await replicaDatabase(name);
    for (const declared of project.entities) {
      const replica = declared.replicas.find((r) => r.name === name);
      if (!replica) continue;
      const rows = await fresh.sql<{ column: string }[]>`
        select attname as column from pg_attribute
        where attrelid = ${declared.plural}::text::regclass and attnum > 0 and not attisdropped`;
      const { columns } = replicaTable(declared, replica).description.options;
      expect(rows.map((row) => row.column).sort()).toEqual(columns.toSorted());
    }
  });
});

describe("the apply function", () => {
  const applyFunction = async (sql = at.sql) =>
    (await sql`select xmin, proname, prosrc from pg_proc where proname ^@ 'apply_product_'`)[0]!;

  test("is not replaced when it matches, not even by concurrent starts", async () => {
    const before = await applyFunction();
    await Promise.all(
      Array.from({ length: 6 }, () => prepareTable(at.database, replicaTable(entity, replicaOf("catalog")))),
    );
    expect(await applyFunction()).toEqual(before);
  });

  test("writes the declared columns only: another one keeps its value, and one that is not declared may be gone", async () => {
    await using fresh = await replicaDatabase("catalog");
    await fresh.sql`alter table products add column colour text default 'blue', drop column description`;
    const { description: _, ...fields } = replicaOf("catalog").fields;
    const table = replicaTable(entity, { ...replicaOf("catalog"), fields });
    await prepareTable(fresh.database, table);
    const id = newId();
    const [row] = await fresh.sql<{ epoch: string }[]>`select epoch from lockstep.cache_epoch`;
    const applyTo = (change: Change) =>
      applyChanges(fresh.database, table, [change], { epoch: Number(row!.epoch), cache: "off" });
    await applyTo(upsertChange(id, 1, { colour: "red" }));
    expect([...(await fresh.sql`select colour, version::int from products`)]).toEqual([{ colour: "blue", version: 1 }]);
    await fresh.sql`update products set colour = 'green'`;
    await applyTo(upsertChange(id, 2));
    expect([...(await fresh.sql`select colour, version::int from products`)]).toEqual([
      { colour: "green", version: 2 },
    ]);
  });

  test("a missing column is an error that says what to do", async () => {
    await using fresh = await replicaDatabase("storefront");
    await expect(prepareTable(fresh.database, replicaTable(entity, replicaOf("catalog")))).rejects.toThrow(
      "replica catalog: table public.products has no column stock. Add the columns by a migration.",
    );
  });
});

describe("the cache's epoch", () => {
  const move = (from: number, runId: string | null) =>
    at.database.query((sql) => sql`select lockstep.move_epoch(${from}, ${runId}, '0 s') as moved`);

  test("an apply that was prepared for another epoch is rejected and has no effect", async () => {
    const id = newId();
    const now = await currentGuard();
    for (const wrong of [
      { ...now, epoch: now.epoch - 1 },
      { ...now, epoch: now.epoch + 1 },
      { ...now, cache: "fenced" as const },
    ])
      await expect(applyChanges(at.database, at.table, [upsertChange(id, 1)], wrong)).rejects.toThrow(EpochMovedError);
    expect(await versionOf(id)).toBeUndefined();
    const [known] = await at.sql`select count(*)::int as n from lockstep.versions where id = ${id}`;
    expect(known!.n).toBe(0);
  });

  test("the epoch does not move while an apply is in progress", async () => {
    const id = newId();
    const held = await at.sql.reserve();
    try {
      await held.unsafe("begin");
      const statement = `select * from lockstep.${await at.table.applyFunction(at.database)}(
        array[$1::text], '{1}', '{false}', '{null}', $2::text::json, '{}', $3, 'off')`;
      await held.unsafe(statement, [id, JSON.stringify([rowOf(replicaOf("catalog"), document(id, 1))]), guard.epoch]);
      let moved = false;
      const moving = move(guard.epoch, null).then(() => {
        moved = true;
      });
      await waitingForLocks(at, 1);
      // This apply was prepared for the old epoch and waits behind the move.
      const late = apply(upsertChange(newId(), 1)).catch((error: unknown) => error);
      await waitingForLocks(at, 2);
      expect(moved).toBe(false);
      await held.unsafe("commit");
      await moving;
      expect(await late).toBeInstanceOf(EpochMovedError);
    } finally {
      held.release();
      guard = await currentGuard();
    }
    expect(await versionOf(id)).toBe(1);
  });

  test("of concurrent moves from the same epoch one succeeds, and the epoch only rises", async () => {
    const { epoch } = await currentGuard();
    const results = await Promise.all(Array.from({ length: 5 }, () => move(epoch, null)));
    const moved = results.map(([row]) => row!.moved).filter((m) => m !== null);
    expect(moved.length).toBe(1);
    expect(Number(moved[0])).toBeGreaterThan(epoch);
    guard = await currentGuard();
  });

  test("the cache stays off while a process without Redis applies", async () => {
    guard = await currentGuard();
    await applyChanges(at.database, at.table, [upsertChange(newId(), 1)], { ...guard, cache: "away" });
    const [early] = await move(guard.epoch, "server");
    expect(early!.moved).toBeNull();
    await at.sql`update lockstep.cache_epoch set off_until = clock_timestamp()`;
    await apply(upsertChange(newId(), 1));
    const [due] = await move(guard.epoch, "server");
    expect(due!.moved).not.toBeNull();
    guard = await currentGuard();
  });
});
