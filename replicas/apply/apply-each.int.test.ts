import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import {
  deleteChange,
  newId,
  openDatabase,
  type ReplicaDatabase,
  replicaDatabase,
  upsertChange,
  waitingForLocks,
} from "../../tests/harness/replica.ts";
import { applyChanges, applyEach, type CacheGuard, type Change, testTable } from "./apply.ts";
import { reduce } from "./reduce.ts";

let at: ReplicaDatabase;
let guard: CacheGuard;

beforeAll(async () => {
  at = await replicaDatabase("catalog");
  const [row] = await at.sql`select epoch from lockstep.cache_epoch`;
  guard = { epoch: Number(row!.epoch), cache: "off" };
}, 60_000);
afterAll(() => at[Symbol.asyncDispose]());

const apply = (...changes: Change[]) => applyEach(at.database, at.table, changes, guard);
const accepts = () => testTable(at.database, at.table);

test("P6: of any batch exactly the changes that the table rejects are left out, each with its error", async () => {
  const kinds = fc.array(fc.constantFrom("good", "good", "good", "type", "json", "null"), {
    minLength: 1,
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(kinds, async (kinds) => {
      const bad = { good: {}, type: { stock: "many" }, json: { name: "a\u0000b" }, null: { name: null } };
      const changes = kinds.map((kind) => ({ kind, change: upsertChange(newId(), 1, bad[kind]) }));
      changes.sort((a, b) => (a.change.id < b.change.id ? -1 : 1));
      const { rejected, unchanged } = await apply(...changes.map(({ change }) => change));
      expect(unchanged.size).toBe(0);
      const codes = { good: undefined, type: "22P02", json: "22P05", null: "23502" };
      expect(changes.map(({ change }) => rejected.get(change.id)?.code)).toEqual(
        changes.map(({ kind }) => codes[kind]),
      );
      const known =
        await at.sql`select id, version::int from lockstep.versions where id = any (${changes.map(({ change }) => change.id)})`;
      const rows =
        await at.sql`select id, version::int from products where id = any (${changes.map(({ change }) => change.id)})`;
      const good = changes.filter(({ kind }) => kind === "good").map(({ change }) => ({ id: change.id, version: 1 }));
      const sorted = (list: readonly Record<string, unknown>[]) =>
        list.map(({ id, version }) => ({ id: `${id}`, version })).toSorted((a, b) => (a.id < b.id ? -1 : 1));
      expect(sorted(rows)).toEqual(sorted(good));
      expect(sorted(known)).toEqual(sorted(good));
    }),
    { numRuns: 40 },
  );
});

test("isolated changes follow the version rule too: an older one has no effect, not even one that would be rejected", async () => {
  const [id, gone] = [newId(), newId()].sort() as [string, string];
  await apply(upsertChange(id, 5), deleteChange(gone, 5));
  const { unchanged, rejected } = await apply(upsertChange(id, 4, { stock: "many" }), upsertChange(gone, 4));
  expect(unchanged).toEqual(
    new Map([
      [id, 5],
      [gone, 5],
    ]),
  );
  expect(rejected.size).toBe(0);
});

test("P7: the epoch does not move while a batch is isolated, not even after its first part was rolled back", async () => {
  const [bad, good] = [newId(), newId()].sort() as [string, string];
  await apply(upsertChange(bad, 1));
  const moveEpoch = () =>
    at.database.query((sql) => sql`select lockstep.move_epoch(${guard.epoch}, null, '0 s') as moved`);
  const held = await at.sql.reserve();
  let moving: ReturnType<typeof moveEpoch>;
  let applying: ReturnType<typeof apply>;
  try {
    await held.unsafe("begin");
    await held`select from lockstep.versions where id = ${bad} for update`;
    applying = apply(upsertChange(bad, 2, { stock: "many" }), upsertChange(good, 1));
    await waitingForLocks(at, 1);
    moving = moveEpoch();
    await waitingForLocks(at, 2);
  } finally {
    await held.unsafe("rollback");
    held.release();
  }
  const { rejected } = await applying;
  const codes = [...rejected].map(([id, { code }]) => ({ id, code }));
  expect(codes, "the rejected rows, of which the epoch's move is none").toEqual([{ id: bad, code: "22P02" }]);
  expect(await at.sql`select version::int from products where id = ${good}`).toMatchObject([{ version: 1 }]);
  guard = { epoch: Number((await moving)[0]!.moved), cache: "off" };
});

test("P2 P3 P4: after any batches of duplicates, resends, equal versions and deletes, each entity has its newest state", async () => {
  const event = fc.record({
    entity: fc.nat(2),
    version: fc.integer({ min: 1, max: 5 }),
    isResent: fc.boolean(),
    deletes: fc.boolean(),
  });
  /** Each batch is applied whole or isolated, and once or twice. */
  const batches = fc.array(
    fc.record({
      events: fc.array(event, { minLength: 1, maxLength: 8 }),
      isolates: fc.boolean(),
      isReplayed: fc.boolean(),
    }),
    { minLength: 1, maxLength: 5 },
  );
  await fc.assert(
    fc.asyncProperty(batches, async (batches) => {
      const ids = Array.from({ length: 3 }, newId);
      const expected = new Map<string, Change>();
      for (const [b, { events, isolates, isReplayed }] of batches.entries()) {
        const changes = events.map(({ entity, version, isResent, deletes }, e): Change => {
          const name = `batch ${b}, event ${e}`;
          const change = deletes ? deleteChange(ids[entity]!, version) : upsertChange(ids[entity]!, version, { name });
          return isResent ? { ...change, resend: name } : change;
        });
        const reduced = reduce(changes);
        const work = isolates ? applyEach : applyChanges;
        for (let i = 0; i < (isReplayed ? 2 : 1); i++) {
          const { unchanged } = await work(at.database, at.table, reduced, guard);
          const older = reduced.flatMap((change): [string, number][] => {
            const known = expected.get(change.id);
            if (known && known.version >= change.version && !(known.version === change.version && change.resend))
              return [[change.id, known.version]];
            expected.set(change.id, change);
            return [];
          });
          expect(unchanged, `batch ${b}: entities whose change was not newer`).toEqual(new Map(older));
        }
      }
      const rows = await at.sql`select id, version::int, name from products where id = any (${ids})`;
      const found = new Map(rows.map(({ id, version, name }) => [id as string, { version, name }]));
      for (const id of ids) {
        const { version, document } = expected.get(id) ?? {};
        const row = document ? { version: version!, name: document.name } : undefined;
        expect(found.get(id), `row of product ${id}, whose newest version is ${version}`).toEqual(row);
      }
    }),
    { numRuns: 60 },
  );
});

test("a constraint that is checked at the commit rejects its own row only", async () => {
  await at.sql`create table shelves (name text primary key)`;
  await at.sql`insert into shelves values ('left')`;
  await at.sql`alter table products add constraint on_shelf foreign key (name) references shelves deferrable initially deferred not valid`;
  try {
    const changes = ["left", "right", "left"]
      .map((name) => upsertChange(newId(), 1, { name }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    const { rejected } = await apply(...changes);
    expect([...rejected.values()]).toEqual([
      expect.objectContaining({ code: "23503", names: { constraint: "on_shelf", column: "", table: "products" } }),
    ]);
    const right = changes.find(({ document }) => document?.name === "right")!;
    expect([...rejected.keys()]).toEqual([right.id]);
  } finally {
    await at.sql`alter table products drop constraint on_shelf`;
    await at.sql`drop table shelves`;
  }
});

test("an error of the server itself is raised, and nothing is applied", async () => {
  await at.sql`create function too_long() returns trigger language plpgsql as $$ begin if new.name = 'last' then perform pg_sleep(60); end if; return new; end $$`;
  await at.sql`create trigger too_long before insert on products for each row execute function too_long()`;
  const impatient = openDatabase(at.url, 300);
  try {
    const [a, b] = [newId(), newId()].sort() as [string, string];
    const changes = [upsertChange(a, 1), upsertChange(b, 1, { name: "last" })];
    await expect(applyEach(impatient, at.table, changes, guard)).rejects.toMatchObject({ code: "57014" });
    expect(await at.sql`select from lockstep.versions where id in (${a}, ${b})`).toHaveLength(0);
  } finally {
    await impatient.close();
    await at.sql`drop function too_long cascade`;
  }
});

test("P6: an error of any code that a rule of the table raises rejects its own row only", async () => {
  const codes = ["53100", "40001", "57014", "08006", "25006", "LS001", "P0001", "ZZ123", "XX000", "54000"];
  await at.sql`create function raise_code() returns trigger language plpgsql as $$ begin
    if length(new.name) = 5 then raise exception 'rule %', new.name using errcode = new.name; end if; return new; end $$`;
  await at.sql`create trigger raise_code before insert on products for each row execute function raise_code()`;
  try {
    const bad = codes.map((name) => upsertChange(newId(), 1, { name }));
    const good = Array.from({ length: 10 }, () => upsertChange(newId(), 1));
    const { rejected } = await apply(...[...bad, ...good].sort((a, b) => (a.id < b.id ? -1 : 1)));
    expect(rejected.size).toBe(codes.length);
    for (const [i, { id }] of bad.entries())
      expect(rejected.get(id)).toMatchObject({ code: codes[i]!, message: `rule ${codes[i]}`, raised: true });
  } finally {
    await at.sql`drop function raise_code cascade`;
  }
});

test("testing whether a table accepts rows leaves no trace", async () => {
  await applyChanges(at.database, at.table, [upsertChange(newId(), 1)], guard);
  const all = () =>
    at.sql`select v.*, p.*, v.xmin, p.xmin as row_xmin from lockstep.versions v full join products p on p.id::text = v.id order by v.id`;
  const before = [...(await all())];
  expect(await accepts()).toBe("accepts");
  expect([...(await all())]).toEqual(before);
  await at.sql`alter table products add constraint nothing check (name is null) not valid`;
  expect(await accepts()).toBe("rejects");
  await at.sql`alter table products drop constraint nothing`;
  await at.sql`alter table products rename to elsewhere`;
  expect(await accepts()).toBe("rejects");
  await at.sql`alter table elsewhere rename to products`;
  expect([...(await all())]).toEqual(before);
});

test("an empty table tells nothing about the rows that it accepts", async () => {
  await using fresh = await replicaDatabase("catalog");
  expect(await testTable(fresh.database, fresh.table)).toBe("empty");
  expect(await fresh.sql`select from lockstep.versions`).toHaveLength(0);
});

test("a table that rejects many of its rows still passes the test, wherever the others are stored", async () => {
  const changes = Array.from({ length: 3_000 }, (_, i) =>
    upsertChange(newId(), 1, { name: i < 1_500 ? "bad" : "good" }),
  );
  await at.sql`truncate products`;
  for (const half of [changes.slice(0, 1_500), changes.slice(1_500)])
    await applyChanges(
      at.database,
      at.table,
      half.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      guard,
    );
  await at.sql`alter table products add constraint good check (name <> 'bad') not valid`;
  try {
    for (let i = 0; i < 20; i++) expect(await accepts()).toBe("accepts");
  } finally {
    await at.sql`alter table products drop constraint good`;
  }
});

test("a batch of 2,000 rows is applied in time with one rejected row, or with every tenth", async () => {
  const measure = async (every: number) => {
    const changes = Array.from({ length: 2_000 }, (_, i) =>
      upsertChange(newId(), 1, i % every === 1 ? { stock: "many" } : {}),
    );
    changes.sort((a, b) => (a.id < b.id ? -1 : 1));
    const start = performance.now();
    const { rejected } = await apply(...changes);
    expect(rejected.size).toBe(Math.ceil((2_000 - 1) / every));
    return Math.round(performance.now() - start);
  };
  const none = await (async () => {
    const start = performance.now();
    await applyChanges(
      at.database,
      at.table,
      Array.from({ length: 2_000 }, () => upsertChange(newId(), 1)).sort((a, b) => (a.id < b.id ? -1 : 1)),
      guard,
    );
    return Math.round(performance.now() - start);
  })();
  const figures = { none, one: await measure(1_999), tenth: await measure(10) };
  console.log(JSON.stringify(figures));
  expect(figures.tenth).toBeLessThan(5_000);
});
