/** Tables with keys of several columns, in schemas of their own, with versions beside them, and with child tables. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { integer, numeric, pgSchema, pgTable, pgType, primaryKey, text } from "../../contracts/entity/columns.ts";
import { aggregate, child, defineEntity } from "../../contracts/entity/define-entity.ts";
import { VerifyFixture } from "../../tests/harness/verify-fixture.ts";
import { backfillMissing } from "../backfill/backfill-missing.ts";
import { resendDifferences } from "../repair/resend.ts";

const noDifferences = new Map();

async function expectRepaired(world: VerifyFixture): Promise<void> {
  const { differences } = await world.verify();
  await resendDifferences(world.source, differences, new AbortController().signal, () => {});
  await world.deliver();
  expect(await world.differenceKinds()).toEqual(noDifferences);
}

describe("a key of three columns, quoted names, another schema, and versions beside the table", () => {
  const stocks = pgSchema("Sales Dept").table(
    "Stock",
    {
      area: text("Area").notNull(),
      number: integer("order").notNull(),
      tag: pgType("citext").notNull(),
      amount: numeric(),
    },
    (t) => [primaryKey({ columns: [t.area, t.number, t.tag] })],
  );
  const stock = defineEntity(stocks, {
    name: "stock",
    plural: "stocks",
    replicas: { copy: { where: ({ number }) => number >= 0 } },
  });
  const columns = `("Area" text, "order" integer, tag citext, amount numeric, primary key ("Area", "order", tag))`;
  let world: VerifyFixture;
  beforeAll(async () => {
    world = await VerifyFixture.start({
      entity: stock,
      sourceTable: `create extension citext; create schema "Sales Dept"; create table "Sales Dept"."Stock" ${columns}`,
      // The columns have another collation, so keys are in another order.
      replicaTable: `create extension citext; create table "Stock" ${columns.replace("text,", 'text collate "en-x-icu",')}`,
      capture: {},
    });
    await world.source.unsafe(`
      insert into "Sales Dept"."Stock" select 'area ' || n % 7, n, 'Tag' || n, n * 1.10 from generate_series(-50, 4500) n;
      insert into "Sales Dept"."Stock" values ('a,b', 1, '100%', 1.0), ('', 1, '', null), ('%2C', 1, ',', 0), ('Ünï', 2, 'ß', 7)`);
    await world.deliver();
  }, 180_000);
  afterAll(() => world?.[Symbol.asyncDispose]());

  test("is equal over several ranges; rows that the filter rejects are compared, too", async () => {
    expect(await world.verify()).toMatchObject({ rows: 4_555, differences: [], unknown: null, entries: 4_555 });
    expect(await world.verify({ everyRow: true })).toMatchObject({ rows: 4_555, differences: [] });
  }, 60_000);

  test("a key that changes is an entity that ends and another one; another case of a citext is the same entity", async () => {
    await world.source.unsafe(`
      update "Sales Dept"."Stock" set "order" = 9000 where "Area" = 'a,b';
      update "Sales Dept"."Stock" set tag = upper(tag) where "order" = 17`);
    await world.deliver();
    expect(await world.differenceKinds()).toEqual(noDifferences);
    const [row] = await world.database.sql.unsafe(`select tag::text from "Stock" where "order" = 17`);
    expect(row!.tag).toBe("TAG17");
  }, 60_000);

  test("rows that are missing, altered, or only in the replica are found by their ids, and repaired", async () => {
    await world.database.sql.unsafe(`
      delete from "Stock" where "Area" = '';
      update "Stock" set amount = 0.00 where "Area" = '%2C';
      insert into "Stock" values ('zzz', 1, 'Extra', 1);
      update "Stock" set tag = lower(tag) where "order" = 17`);
    const { differences } = await world.verify();
    expect(new Map(differences.map(({ id, kind, fields }) => [id, [kind, ...fields]]))).toEqual(
      new Map([
        ["%00,1,%00", ["missing"]],
        ["%252C,1,%2C", ["altered", "amount"]],
        ["zzz,1,extra", ["extra"]],
        ["area 3,17,tag17", ["altered", "tag"]],
      ]),
    );
    await expectRepaired(world);
  }, 60_000);

  test("a version that the replica has recorded for an entity that nobody has is found", async () => {
    await world.database.sql`
      insert into lockstep.versions (entity, id, version, deleted) values ('stock', 'gone,1,x', 7, false)`;
    await world.source.unsafe(`insert into "Sales Dept"."Stock" values ('gone', 1, 'x', 1)`);
    await world.source.unsafe(`delete from "Sales Dept"."Stock" where "Area" = 'gone'`);
    expect(await world.differenceKinds()).toEqual(new Map([["gone,1,x", "altered"]]));
    await expectRepaired(world);
  }, 60_000);

  test("only the rows that a replica does not have are sent", async () => {
    await world.database.sql.unsafe(`
      delete from "Stock" where "order" in (5, 4444);
      delete from lockstep.versions where entity = 'stock' and id in (select 'area ' || n % 7 || ',' || n || ',tag' || n from unnest(array[5, 4444]) n)`);
    const deps = { source: world.source, replica: () => world.database.sql };
    const options = {
      ...{ rate: 1_000, from: undefined, backpressure: { wait: async () => {} } },
      ...{ signal: new AbortController().signal, onProgress: () => {} },
    };
    expect(await backfillMissing(deps, stock, [world.catalog], options)).toMatchObject({ sent: 2, finished: true });
    await world.deliver();
    expect(await world.differenceKinds()).toEqual(noDifferences);
  }, 60_000);
});

describe("an order with its lines", () => {
  const orders = pgTable("orders", { id: integer().primaryKey(), note: text() });
  const lines = pgTable(
    "order_lines",
    {
      orderId: integer("order_id").notNull(),
      number: integer().notNull(),
      price: numeric({ precision: 12, scale: 2 }),
    },
    (t) => [primaryKey({ columns: [t.orderId, t.number] })],
  );
  const order = defineEntity(aggregate(orders, { lines: child(lines, { parentKey: ["orderId"] }) }), {
    name: "order",
    replicas: { copy: {} },
  });
  const create = `create table orders (id integer primary key, note text);
    create table order_lines (order_id integer references orders on delete cascade, number integer, price numeric(12, 2),
      primary key (order_id, number))`;
  const capture = {
    children: [{ member: "lines", relation: "order_lines", key: ["number"], parentKey: ["order_id"] }],
  };
  let world: VerifyFixture;
  beforeAll(async () => {
    world = await VerifyFixture.start({ entity: order, sourceTable: create, replicaTable: create, capture });
    await world.source.unsafe(`
      insert into orders select n, 'order ' || n from generate_series(1, 30) n;
      insert into order_lines select o, l, o * l from generate_series(1, 29) o, generate_series(1, 12) l`);
    await world.deliver();
  }, 180_000);
  afterAll(() => world?.[Symbol.asyncDispose]());

  test("is equal, with its cache entries; a change of a line is one of its order", async () => {
    expect(await world.verify()).toMatchObject({ rows: 30, entries: 30, differences: [] });
    await world.source`update order_lines set price = 7 where order_id = 3 and number = 2`;
    await world.source`update order_lines set order_id = 5, number = 100 where order_id = 4 and number = 1`;
    await world.deliver();
    expect(await world.verify()).toMatchObject({ rows: 30, entries: 30, differences: [] });
  }, 60_000);

  test("a line that is altered, lost or added in the replica is found as a difference of its order, and repaired", async () => {
    await world.database.sql.unsafe(`
      update order_lines set price = 0.01 where order_id = 7 and number = 2;
      delete from order_lines where order_id = 8 and number = 12;
      insert into order_lines values (9, 99, 1)`);
    const { differences } = await world.verify();
    expect(differences.map(({ id, kind, fields }) => [id, kind, ...fields]).sort()).toEqual([
      ["7", "altered", "lines"],
      ["8", "altered", "lines"],
      ["9", "altered", "lines"],
    ]);
    await expectRepaired(world);
  }, 60_000);
});
