/**
 * A fault in each place that maps a row on its way is found. Relay, stream and replica run with a faulty declaration, or
 * the stores are changed as a faulty mapper would have written them.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { boolean, integer, numeric, pgTable, text } from "../../contracts/entity/columns.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { defineEntity } from "../../contracts/entity/define-entity.ts";
import { field } from "../../contracts/entity/derive.ts";
import type { Document } from "../../contracts/entity/document.ts";
import type { Field } from "../../contracts/entity/field.ts";
import { distinct, items } from "../../contracts/entity/rules.ts";
import { idColumn, ownColumns, ownOptions } from "../../tests/harness/own-columns.ts";
import { VerifyFixture } from "../../tests/harness/verify-fixture.ts";

const columns = `
  id uuid primary key, version bigint not null, amount numeric(40, 8) not null, count integer not null,
  holder text not null, note text not null, open boolean not null, state text not null, labels text[] not null,
  created_at timestamptz not null, updated_at timestamptz not null`;
const deposits = pgTable("deposits", {
  ...idColumn,
  amount: numeric({ precision: 40, scale: 8 }).notNull(),
  count: integer().notNull(),
  holder: text().notNull(),
  note: text().notNull(),
  open: boolean().notNull(),
  state: text({ enum: ["new", "old"] }).notNull(),
  labels: text().array().notNull(),
  ...ownColumns,
});
const deposit = defineEntity(deposits, {
  name: "deposit",
  ...ownOptions,
  rules: { labels: (labels) => distinct(items(labels, (label) => label.min(1))) },
  replicas: {
    books: {
      where: ({ open }) => open,
      derive: {
        initial: field.text(({ holder }) => holder.slice(0, 1)),
        doubled: field.numeric(40, 2, ({ count }) => (Math.abs(count) * 2).toFixed(2)),
      },
      mask: { note: (note) => note.replace(/\d/g, "x") },
    },
  },
});
const { fields } = deposit;

let world: VerifyFixture;
beforeAll(async () => {
  world = await VerifyFixture.start({
    entity: deposit,
    sourceTable: `create table deposits (${columns})`,
    replicaTable: `create table deposits (${columns}, initial text not null, doubled numeric(40, 2) not null)`,
  });
}, 120_000);
afterAll(() => world[Symbol.asyncDispose]());
afterEach(async () => {
  await world.source`delete from deposits`;
  await world.deliver();
  expect(await world.differenceKinds({ everyRow: true })).toEqual(new Map());
});

/** Writes deposits in the source. @returns their ids. */
async function insert(count: number, open = true): Promise<string[]> {
  const rows = await world.source<{ id: string }[]>`
    insert into deposits (id, amount, count, holder, note, open, state, labels)
    select uuidv7(), '1234567890.12345678'::numeric + n, n, ' Ada ' || n, 'card 123' || n, ${open}, 'new',
      array['b' || n, 'a', 'with "quotes"', '{}'] from generate_series(1, ${count}) n returning id`;
  return rows.map(({ id }) => id);
}

const [books] = deposit.replicas as [EntityDeclaration["replicas"][0]];

/** The declaration with a faulty field type. */
function withFault(member: string, fromColumn: Field["fromColumn"]): EntityDeclaration {
  const faulty = { ...fields, [member]: { ...fields[member]!, fromColumn } };
  return { ...world.entity, fields: faulty };
}

/** The declaration with another projection. */
const withProjection = (project: (projected: Document, document: Document) => Document): EntityDeclaration => ({
  ...world.entity,
  replicas: [{ ...world.catalog, project: (document, into) => project(books.project(document, into), document) }],
});

const differences = async () => (await world.verify()).differences;

test("without a fault, every column of every type is equal", async () => {
  await insert(30);
  await insert(30, false);
  await world.deliver();
  expect(await world.verify()).toMatchObject({ rows: 60, differences: [] });
  expect(await world.verify({ everyRow: true })).toMatchObject({ rows: 60, differences: [] });
});

describe("a faulty mapping of a column to a document is found", () => {
  const faults: [string, Field["fromColumn"]][] = [
    ["amount", (value) => Number(JSON.stringify(value)).toFixed(8)],
    ["count", (value) => (value as number) + 1],
    ["holder", (value) => (value as string).trim()],
    ["state", () => "old"],
    ["labels", (value) => (value as string[]).toSorted()],
  ];
  test.each(faults)("of %s", async (member, fromColumn) => {
    const ids = await insert(30);
    await world.deliver(withFault(member, fromColumn));
    const found = await differences();
    expect(new Set(found.map(({ id }) => id))).toEqual(new Set(ids));
    for (const { kind, fields } of found) {
      expect(kind).toBe("altered");
      expect(fields).toContain(member);
    }
  });

  test("of the field by which the replica's filter decides", async () => {
    const ids = await insert(30);
    await world.deliver(withFault("open", () => false));
    expect(await world.differenceKinds()).toEqual(new Map(ids.map((id) => [id, "missing"])));
  });

  test("of a time", async () => {
    const [id] = await insert(1);
    await world.deliver();
    await world.database.sql`
      with record as (update lockstep.versions set version = version where id = ${id!})
      update deposits set created_at = created_at + interval '1 ms' where id = ${id!}`;
    expect(await differences()).toMatchObject([{ id, kind: "altered", fields: ["createdAt"] }]);
  });
});

describe("a faulty projection is found", () => {
  test.each<[string, string[], (projected: Document, document: Document) => Document]>([
    ["of two members in each other's place", ["holder"], (projected) => ({ ...projected, holder: projected.initial })],
    ["of a derived text", ["initial"], (projected) => ({ ...projected, initial: "?" })],
    ["of a masked text", ["note"], (projected, { note }) => ({ ...projected, note })],
    ["of a derived decimal", ["doubled"], (projected) => ({ ...projected, doubled: "0.00" })],
  ])("%s", async (_name, members, project) => {
    const ids = await insert(30);
    await world.deliver(withProjection(project));
    const found = await differences();
    expect(found).toHaveLength(ids.length);
    for (const difference of found) expect(difference).toMatchObject({ kind: "altered", fields: members });
  });

  test("of a filter that keeps what it should not", async () => {
    const ids = await insert(30, false);
    await world.deliver({ ...world.entity, replicas: [{ ...world.catalog, filter: () => true }] });
    expect(await world.differenceKinds()).toEqual(new Map(ids.map((id) => [id, "extra"])));
  });
});

describe("a faulty statement in the replica is found", () => {
  /** Changes the statement of the function that applies batches. */
  const changeApply = async (from: string, to: string) => {
    const [{ text }] = await world.database.sql<[{ text: string }]>`
      select pg_get_functiondef(p.oid) as text from pg_proc p
      where proname like 'apply\\_deposit\\_%' and pronamespace = 'lockstep'::regnamespace`;
    expect(text).toContain(from);
    await world.database.sql.unsafe(text.replace(from, to));
    return () => world.database.sql.unsafe(text);
  };

  test("that writes one column into another", async () => {
    const undo = await changeApply("r.count, r.holder, r.note", "r.count, r.note, r.holder");
    const ids = await insert(3);
    await world.deliver();
    await undo();
    const found = await differences();
    expect(found).toHaveLength(ids.length);
    for (const difference of found) expect(difference).toMatchObject({ kind: "altered", fields: ["holder", "note"] });
  });

  test("that leaves a column as it was", async () => {
    const [id] = await insert(1);
    await world.deliver();
    const undo = await changeApply("count = excluded.count", "count = t.count");
    await world.source`update deposits set count = 999`;
    await world.deliver();
    await undo();
    expect(await differences()).toMatchObject([{ id, kind: "altered", fields: ["count"] }]);
  });

  test("that rounds, since the replica's column has a smaller scale", async () => {
    const [id] = await insert(1);
    await world.database.sql`alter table deposits alter amount type numeric(20, 4)`;
    await world.deliver();
    expect(await differences()).toMatchObject([{ id, kind: "altered", fields: ["amount"] }]);
    await world.database.sql`alter table deposits alter amount type numeric(40, 8)`;
  });
});

test("a faulty encoding of any member of a cache entry is found", async () => {
  const members = Object.keys(books.fields).filter((member) => member !== "id");
  const encodings = [() => undefined, () => null, Number, (value: unknown) => `${value} `];
  const cases = members.flatMap((member) => encodings.map((encode) => ({ member, encode })));
  const ids = await insert(cases.length);
  await world.deliver();
  const expected = new Map<string, string>();
  for (const [i, { member, encode }] of cases.entries()) {
    const id = ids[i]!;
    const entry = await world.cacheEntry(id);
    const start = entry.indexOf("{");
    const document = JSON.parse(entry.slice(start)) as Document;
    const value = encode(document[member]);
    await world.redis.set(world.cacheKey(id), entry.slice(0, start) + JSON.stringify({ ...document, [member]: value }));
    if (value !== document[member]) expected.set(id, "cache-altered");
  }
  expect(expected.size).toBeGreaterThan(30);
  expect(await world.differenceKinds()).toEqual(expected);
});
