import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { columnsOf } from "../contracts/entity/declaration.ts";
import { documentOf } from "../contracts/entity/row.ts";
import { documentSchema, readOnlyMembers } from "../contracts/entity/schemas.ts";
import { request } from "../tests/harness/client.ts";
import { type TestGateway, testGateway } from "../tests/harness/gateway.ts";
import { product, project } from "../tests/project/index.ts";

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await testGateway();
}, 60_000);
afterAll(() => gateway?.[Symbol.asyncDispose]());

describe.each(project.entities.map((entity) => [entity.plural, entity] as const))("the table %s", (table, entity) => {
  test("has exactly the declared columns, and is in the schema public", async () => {
    const columns = await gateway.sql<{ name: string; nullable: boolean; schema: string }[]>`
      select column_name as name, is_nullable = 'YES' as nullable, table_schema as schema
      from information_schema.columns where table_name = ${table}`;
    const declared = columnsOf(entity);
    expect(columns.map(({ name }) => name).sort()).toEqual(declared.sort());
    expect(columns.filter(({ nullable }) => nullable)).toEqual([]);
    expect(new Set(columns.map(({ schema }) => schema))).toEqual(new Set(["public"]));
  });

  test("has a unique constraint for each unique member, with the name that explain-error.ts expects", async () => {
    const rows = await gateway.sql<{ name: string }[]>`
      select conname as name from pg_constraint where conrelid = ${table}::regclass and contype = 'u'`;
    expect(rows.map(({ name }) => name).sort()).toEqual(
      entity.unique.map((member) => `${table}_${entity.fields[member]!.column}_key`).sort(),
    );
  });

  test("has the declaration's initial values as defaults", async () => {
    const defaults = await gateway.sql<{ name: string; value: string | null }[]>`
      select column_name as name, column_default as value from information_schema.columns where table_name = ${table}`;
    const given = defaults.filter(({ value }) => value !== null).map(({ name }) => name);
    const initial = Object.values(entity.fields).filter((field) => "initial" in field);
    const expected = ["id", "version", "created_at", "updated_at", ...initial.map(({ column }) => column)];
    expect(given.sort()).toEqual(expected.sort());
  });
});

describe("products", () => {
  test("a row with the fewest columns is a valid document with the declared initial values", async () => {
    const [row] = await gateway.sql<[{ row: Record<string, unknown> }]>`
      with inserted as (insert into products (sku, name, price) values ('fewest', 'Cup', 19.9) returning *)
      select to_jsonb(inserted) as row from inserted`;
    const document = documentOf(product, row.row);
    expect(documentSchema(product).parse(document)).toEqual(document);
    const given = ["sku", "name", "price", ...readOnlyMembers(product)];
    for (const [member, field] of Object.entries(product.fields).filter(([name]) => !given.includes(name)))
      expect([member, document[member]]).toEqual([member, field.initial]);
    expect(document.price).toBe("19.90");
  });

  test("values at the limits of the declaration pass through the table unchanged", async () => {
    const edges = [
      {
        sku: "s".repeat(64),
        name: "n".repeat(200),
        description: "d".repeat(10_000),
        price: "9999999999.99",
        stock: 1e9,
      },
      {
        sku: "🥤".repeat(32),
        name: "é",
        description: "",
        price: "0.00",
        stock: 0,
        tags: Array.from({ length: 20 }, (_, i) => String(i).repeat(25)),
      },
    ];
    for (const edge of edges) {
      expect(await request("POST", `${gateway.url}/products`, edge)).toMatchObject({ status: 201, body: edge });
    }
  });

  test("plain SQL cannot write most values that the declaration rejects", async () => {
    const wrong = {
      sku: ["''", "repeat('x', 65)", "null"],
      name: ["''", "repeat('x', 201)", "null"],
      description: ["repeat('x', 10001)", "null"],
      price: ["-0.01", "'NaN'", "'Infinity'", "10000000000", "null"],
      currency: ["'brl'", "'BR'", "'BRLX'", "E'BRL\\n'"],
      cost: ["-1", "'NaN'"],
      stock: ["-1", "1000000001"],
      status: ["'sold'", "null"],
      tags: ["array_fill('a'::text, array[21])", "'{a,null}'", "'{{a,b},{c,d}}'", "null"],
    };
    const accepted: string[] = [];
    for (const [column, values] of Object.entries(wrong))
      for (const value of values) {
        const row = { sku: "gen_random_uuid()::text", name: "'Cup'", price: "1", [column]: value };
        await gateway.sql
          .unsafe(`insert into products (${Object.keys(row).join()}) values (${Object.values(row).join()})`)
          .then(() => accepted.push(`${column} = ${value}`))
          .catch((error) => expect(error.code).toMatch(/^2[23]/));
      }
    expect(accepted).toEqual([]);
  });
});
