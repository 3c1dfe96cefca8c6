/**
 * Verifications of a source and a replica on real servers. There is no relay and no stream: each test delivers the
 * events itself.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Redis } from "ioredis";
import { connectPool } from "../../platform/postgres/connect.ts";
import { VerifyFixture } from "../../tests/harness/verify-fixture.ts";
import { project } from "../../tests/project/index.ts";
import { ConnectionError } from "../connect.ts";
import { findRemaining } from "../repair/find-remaining.ts";
import { resendDifferences } from "../repair/resend.ts";
import { verifyAndRepair } from "../repair/verify-and-repair.ts";
import { exitStatusOf } from "./command.ts";
import { compareCacheEntries } from "./compare-cache.ts";
import { liveTables } from "./comparison-target.ts";
import { readLastVerifications, saveResults } from "./results.ts";
import { verdictOf } from "./verify.ts";

let world: VerifyFixture;
beforeAll(async () => {
  world = await VerifyFixture.start();
}, 120_000);
afterAll(() => world[Symbol.asyncDispose]());

const NIL = "00000000-0000-0000-0000-000000000000";
const noDifferences = new Map();
const sourceRow = (id: string) => world.source`select name, version::int from products where id = ${id}`;

/** Verifies, sends the differences again, delivers them, and expects no differences after that. */
async function expectRepaired(): Promise<void> {
  const { differences } = await world.verify();
  await resendDifferences(world.source, differences, new AbortController().signal, () => {});
  await world.deliver();
  expect(await world.differenceKinds()).toEqual(noDifferences);
}

test("a replica that has applied inserts, updates and deletes is equal", async () => {
  const [first, second] = await world.insert(30);
  await world.source`update products set name = 'Mug', tags = '{a}' where id = ${first!}`;
  await world.source`delete from products where id = ${second!}`;
  await world.deliver();
  expect(await world.verify()).toMatchObject({
    entity: "product",
    replica: world.catalog.name,
    rows: 29,
    cache: "compared",
    entries: 30,
    differences: [],
    behind: false,
  });
});

test("rows that changed in the source without an event are found by content, and repaired", async () => {
  const [altered, added, removed] = await world.insert(3);
  await world.deliver();
  let missing: string | undefined;
  await world.changeWithoutTriggers(async (source) => {
    await source`update products set name = 'no event' where id = ${altered!}`;
    [missing] = await world.insert(1);
    await source`delete from products where id = ${removed!}`;
  });
  const found = (await world.verify()).differences;
  expect(found.find(({ id }) => id === altered)).toMatchObject({ kind: "altered", fields: ["name"] });
  expect(new Map(found.map(({ id, kind }) => [id, kind]))).toEqual(
    new Map([
      [altered!, "altered"],
      [missing!, "missing"],
      [removed!, "extra"],
    ]),
  );
  expect(found.some(({ id }) => id === added)).toBe(false);
  await expectRepaired();
});

test("rows that were rewritten with the same content, as by a dump and restore, are equal", async () => {
  await world.insert(5);
  await world.deliver();
  await world.database.sql`update products set name = name`;
  expect(await world.differenceKinds()).toEqual(noDifferences);
});

test("a row that has not arrived is reported as missing only when nothing is in flight", async () => {
  const [id] = await world.insert(1);
  await world.source`delete from lockstep.outbox`;
  world.isBehind = true;
  expect(await world.verify({ timeoutMs: 300 })).toMatchObject({ differences: [], behind: true });
  world.isBehind = false;
  expect(await world.differenceKinds()).toEqual(new Map([[id!, "missing"]]));
  await expectRepaired();
});

test("cache entries that differ from the database are found, and repaired by sending the entity again", async () => {
  const [altered, stale, ahead, right] = await world.insert(4);
  await world.deliver();
  const { redis } = world;
  await redis.set(world.cacheKey(altered!), (await world.cacheEntry(altered!)).replace("Cup", "Cap"));
  await world.source`update products set name = 'Mug' where id = ${stale!}`;
  const old = await world.cacheEntry(stale!);
  await world.deliver();
  await redis.set(world.cacheKey(stale!), old);
  await redis.set(world.cacheKey(ahead!), (await world.cacheEntry(ahead!)).replace(" 1 1 ", " 7 1 "));
  const phantom = Bun.randomUUIDv7();
  await redis.set(world.cacheKey(phantom), await world.cacheEntry(right!));
  expect(await world.differenceKinds()).toEqual(
    new Map([
      [altered!, "cache-altered"],
      [stale!, "cache-stale"],
      [ahead!, "cache-altered"],
      [phantom, "cache-altered"],
    ]),
  );
  await expectRepaired();
  expect(await world.cacheEntry(right!)).toContain("Cup");
  expect(await world.cacheEntry(phantom)).toEndWith(" -");
});

/** The fixture's Redis, with other answers to some commands. */
const redisWith = (answers: Partial<Pick<Redis, "info" | "mget">>): Redis =>
  Object.assign(Object.create(world.redis) as Redis, answers);

test("entries of a Redis server that the replica does not use say nothing", async () => {
  const [id] = await world.insert(1);
  await world.deliver();
  await world.redis.set(world.cacheKey(id!), (await world.cacheEntry(id!)).replace("Cup", "Cap"));
  const another = redisWith({ info: async () => "run_id:0123" });
  expect(await world.verify({}, another)).toMatchObject({ cache: "compared", entries: 0, differences: [] });
  await expectRepaired();
});

test("a cache entry that is replaced between two comparisons is no difference; one that stays wrong is", async () => {
  const [id] = await world.insert(1);
  await world.deliver();
  const entry = await world.cacheEntry(id!);
  const compare = async (...names: string[]) => {
    const entries = names.map((name) => entry.replace("Cup", name));
    const redis = redisWith({ mget: async () => [entries.shift()!] });
    const tables = liveTables(world.database.sql, world.entity, world.catalog);
    const stores = { source: world.source, tables, redis };
    return (await compareCacheEntries(stores, [id!])).map(({ kind }) => kind);
  };
  expect(await compare("Cap", "Cop")).toEqual([]);
  expect(await compare("Cap", "Cup")).toEqual([]);
  expect(await compare("Cap", "Cap")).toEqual(["cache-altered"]);
});

test("an entity that is written all the time is no difference, in the table or in the cache", async () => {
  const [hot] = await world.insert(1);
  await world.deliver();
  let isWriting = true;
  const writing = (async () => {
    for (let n = 0; isWriting; n++) {
      if (n % 5 === 4) {
        await world.source`delete from products where id = ${hot!}`;
        await world.source`insert into products (id, sku, name, price) values (${hot!}, gen_random_uuid(), 'Cup', 1)`;
      } else await world.source`update products set stock = ${n} where id = ${hot!}`;
      await world.deliver();
    }
  })();
  for (let i = 0; i < 10; i++) expect(await world.verify()).toMatchObject({ differences: [], behind: false });
  isWriting = false;
  await writing;
}, 60_000);

test("a row that was changed together with its version is found, also when it is not in the cache", async () => {
  const [forged] = await world.insert(1);
  await world.deliver();
  await world.database.sql`
    with record as (update lockstep.versions set version = version where id = ${forged!})
    update products set name = 'forged' where id = ${forged!}`;
  expect(await world.differenceKinds()).toEqual(new Map([[forged!, "altered"]]));
  await world.redis.del(world.cacheKey(forged!));
  const { differences } = await world.verify();
  expect(differences).toMatchObject([{ id: forged, kind: "altered", fields: ["name"] }]);
  await expectRepaired();
  expect(await world.differenceKinds({ everyRow: true })).toEqual(noDifferences);
});

test("the lowest possible id is compared as well", async () => {
  await world.database.sql`
    insert into products
    select (jsonb_populate_record(p, jsonb_build_object('id', ${NIL}::uuid))).* from products p limit 1`;
  expect(await world.differenceKinds()).toEqual(new Map([[NIL, "extra"]]));
  await expectRepaired();
});

test("a source that was restored to an older state than its replica's is repaired under a higher version", async () => {
  const [id, gone] = await world.insert(2);
  await world.source`update products set name = 'second' where id in (${id!}, ${gone!})`;
  await world.source`update products set name = 'third' where id in (${id!}, ${gone!})`;
  await world.deliver();
  await world.changeWithoutTriggers(async (source) => {
    await source`update products set name = 'second', version = 2 where id = ${id!}`;
    await source`delete from products where id = ${gone!}`;
  });
  expect(await world.differenceKinds()).toEqual(
    new Map([
      [id!, "altered"],
      [gone!, "extra"],
    ]),
  );
  await expectRepaired();
  expect(await sourceRow(id!)).toMatchObject([{ name: "second", version: 4 }]);
  // The repair leaves no trigger disabled.
  await world.source`update products set name = 'fourth' where id = ${id!}`;
  expect(await sourceRow(id!)).toMatchObject([{ name: "fourth", version: 5 }]);
  await world.deliver();
  expect(await world.differenceKinds()).toEqual(noDifferences);
});

test("when Redis is unavailable, the result says so and the tables are compared", async () => {
  const redis = new Redis("redis://127.0.0.1:1", { maxRetriesPerRequest: 1 });
  redis.on("error", () => {});
  expect(await world.verify({}, redis)).toMatchObject({ cache: "away", differences: [] });
  redis.disconnect();
});

test("a difference that the replica itself makes is named as one that no resend repairs", async () => {
  const [id] = await world.insert(1);
  await world.database.sql.unsafe(`
    create function shout() returns trigger language plpgsql as $$ begin new.name := upper(new.name); return new; end $$;
    create trigger shout before insert or update on products for each row execute function shout()`);
  await world.deliver();
  const { differences } = await world.verify();
  expect(differences).toMatchObject([{ id, kind: "altered", fields: ["name"] }]);
  await resendDifferences(world.source, differences, new AbortController().signal, () => {});
  await world.deliver();
  const declared = differences.map((difference) => ({ ...difference, replica: "catalog" }));
  const { source, log } = world;
  const deps = { source, replica: () => world.database.sql, entities: project.entities, log, redis: undefined };
  const remaining = await findRemaining(deps, declared, 1_000);
  expect(remaining).toMatchObject([{ id, why: expect.stringContaining("sending it once more does not help") }]);
  await world.database.sql`drop function shout cascade`;
  await expectRepaired();
});

test("a repair sends nothing for an entity whose capture is incomplete, and says why", async () => {
  const [id] = await world.insert(1);
  await world.source`delete from lockstep.outbox`;
  await world.source`alter table products disable trigger lockstep_inserted`;
  const { source, database, log } = world;
  const addresses = { redis: undefined };
  const connections = { source: () => source, replica: () => database.sql, log: async () => log, addresses } as never;
  const context = { connections, project, progress: () => {}, signal: new AbortController().signal };
  const scope = { replica: "catalog", cache: false, share: 1, within: 1 };
  const why =
    "it was not sent: public.products has disabled triggers: lockstep_inserted: run lockstep capture, then lockstep repair";
  try {
    expect(await verifyAndRepair(context, scope)).toMatchObject({ differed: 1, sent: 0, remaining: [{ id, why }] });
    expect(await source`select from lockstep.outbox`).toHaveLength(0);
  } finally {
    await source`select lockstep.capture('products', 'product')`;
  }
  await expectRepaired();
});

describe("what cannot be read is unknown, neither equal nor different", () => {
  const verdict = async (change: string, undo: string) => {
    await world.database.sql.unsafe(change);
    const result = await world.verify();
    await world.database.sql.unsafe(undo);
    expect(verdictOf(await world.verify())).toBe("equal");
    expect(verdictOf(result)).toBe("unknown");
    expect(result.differences).toEqual([]);
    expect(exitStatusOf([result])).toBe(3);
    return result.unknown;
  };

  test("a replica without the table", async () => {
    expect(await verdict("alter table products rename to away", "alter table away rename to products")).toBe(
      "the table products is missing",
    );
  });

  test("a replica without a column", async () => {
    expect(await verdict("alter table products rename name to away", "alter table products rename away to name")).toBe(
      "the table products has no column name",
    );
  });

  test("a replica without its versions", async () => {
    expect(
      await verdict("alter table lockstep.versions rename to away", "alter table lockstep.away rename to versions"),
    ).toContain("lockstep.versions");
  });

  test("a replica whose database is unavailable, or whose address is not known", async () => {
    const away = connectPool("postgres://nobody@127.0.0.1:1/none", { max: 1, name: "test", statementTimeoutMs: 1_000 });
    expect((await world.verify({}, world.redis, () => away)).unknown).toContain("ECONNREFUSED");
    await away.end();
    const unknown = await world.verify({}, world.redis, () => {
      throw new ConnectionError("has no entry for catalog");
    });
    expect(unknown).toMatchObject({ unknown: "has no entry for catalog", differences: [] });
    expect(verdictOf(unknown)).toBe("unknown");
  });

  test("an unknown result does not replace the one before; one that is behind does", async () => {
    const result = await world.verify();
    const saved = async () => (await readLastVerifications(world.source))[0];
    await saveResults(world.source, [result]);
    const before = await saved();
    await saveResults(world.source, [{ ...result, unknown: "gone" }]);
    await saveResults(world.source, [{ ...result, cache: "away" }]);
    expect(await saved()).toEqual(before!);
    await saveResults(world.source, [{ ...result, behind: true }]);
    expect(await saved()).toMatchObject({ behind: true, differing: {} });
  });

  test("a cache that cannot be read", async () => {
    const redis = new Redis("redis://127.0.0.1:1", { maxRetriesPerRequest: 1 });
    redis.on("error", () => {});
    expect(verdictOf(await world.verify({}, redis))).toBe("unknown");
    redis.disconnect();
  });
});
