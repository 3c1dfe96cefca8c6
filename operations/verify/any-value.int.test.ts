/**
 * Values of all types, from the source to a replica and its cache, are equal by verify, and by a comparison that uses
 * none of the product's code. Any other value of any type is found.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { integer, pgTable } from "../../contracts/entity/columns.ts";
import { defineEntity } from "../../contracts/entity/define-entity.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { compareTable } from "../../tests/adoption/compare.ts";
import { literal } from "../../tests/adoption/operations/operation.ts";
import { generateValues, TEXT_SETTINGS, valueTypes } from "../../tests/adoption/values/values.ts";
import { columnOfType } from "../../tests/harness/column-of-type.ts";
import { VerifyFixture } from "../../tests/harness/verify-fixture.ts";

const ROWS = 250;

const everything = defineEntity(
  pgTable("every_type", {
    id: integer().primaryKey(),
    ...Object.fromEntries(valueTypes.map(({ name, type }) => [memberOf(name), columnOfType(type, name)])),
  }),
  { name: "everything", plural: "everythings", replicas: { copy: {} } },
);
const createTable = `create table every_type (id integer primary key, ${valueTypes
  .map(({ name, type }) => `${quoted(name)} ${type}`)
  .join(", ")})`;

let world: VerifyFixture;
beforeAll(async () => {
  // The types exist in both databases before the tables.
  world = await VerifyFixture.start({
    entity: everything,
    sourceTable: `${setups()}; ${createTable}`,
    replicaTable: `${setups()}; ${createTable}`,
    capture: {},
  });
  await world.source.unsafe(insertText()).simple();
  await world.deliver();
}, 180_000);
afterAll(() => world?.[Symbol.asyncDispose]());

function memberOf(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function quoted(name: string): string {
  return `"${name}"`;
}

/** Creates each type once: an array and its element share one. */
function setups(): string {
  return [...new Set(valueTypes.flatMap(({ setup }) => setup ?? []))].join("; ");
}

/** Edges of all types side by side, then random values. */
function insertText(): string {
  const values = valueTypes.map((type) => generateValues(type, "verify", ROWS));
  const rows = Array.from({ length: ROWS }, (_, row) => {
    const cells = valueTypes.map(({ type }, i) => {
      const value = values[i]![row] ?? null;
      return value === null ? "null" : `${literal(value)}::${type}`;
    });
    return `insert into every_type values (${[row + 1, ...cells].join(", ")})`;
  });
  return `set timezone = 'UTC'; ${rows.join("; ")}`;
}

test("values of all types arrive unchanged in the replica, and its cache entries equal its rows", async () => {
  const result = await world.verify({ everyRow: true });
  expect(result.differences.slice(0, 5)).toEqual([]);
  expect(result).toMatchObject({ rows: ROWS, cache: "compared", entries: ROWS, unknown: null });
  const compared = await compareTable(world.sourceUrl, world.database.url, { source: "every_type", key: ["id"] }, 5);
  expect(compared).toMatchObject({ count: 0, differences: [], sourceRows: ROWS, replicaRows: ROWS });
}, 60_000);

test("another value of any type is found, with the member", async () => {
  const { sql } = world.database;
  const expected = new Map<string, string>();
  for (const [i, { name }] of valueTypes.entries()) {
    const id = 1 + i;
    if (await replaceValue(sql, quoted(name), id)) expected.set(String(id), memberOf(name));
  }
  expect(expected.size).toBeGreaterThan(valueTypes.length - 3);
  const { differences } = await world.verify();
  const found = differences.filter(({ kind }) => kind === "altered");
  expect(new Map(found.map(({ id, fields }) => [id, fields.join()]))).toEqual(expected);
}, 60_000);

/** Gives one row of the replica the value of another row whose text is different. @returns false when there is none. */
async function replaceValue(sql: Sql, column: string, id: number): Promise<boolean> {
  for (const [setting, value] of Object.entries(TEXT_SETTINGS)) await sql.unsafe(`set ${setting} = '${value}'`);
  const rows = await sql.unsafe(
    `update every_type t set ${column} = other.value from (
       select o.${column} as value from every_type o, every_type own
       where own.id = $1 and o.${column}::text is distinct from own.${column}::text limit 1
     ) as other where t.id = $1 returning 1`,
    [id],
  );
  return rows.length === 1;
}
