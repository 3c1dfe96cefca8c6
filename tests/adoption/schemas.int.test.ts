/** The sample schemas load, have the tables that adoption is tested with, and are filled. */
import { expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { freshDatabase } from "../harness/servers.ts";
import { adoptedTables, expectations, families } from "./expectations.ts";
import { fill } from "./fill.ts";
import { loadSchemas, type SchemaName } from "./load-schemas.ts";

async function withDatabase(work: (sql: Sql) => Promise<void>): Promise<void> {
  const sql = postgres(await freshDatabase(), { max: 2, onnotice: () => {} });
  try {
    await work(sql);
  } finally {
    await sql.end();
  }
}

const relations = (sql: Sql) => sql<{ relation: string; key: string[] | null }[]>`
  select format('%I.%I', n.nspname, c.relname) as relation,
    (select array_agg(a.attname::text order by k.n) from pg_index i, unnest(i.indkey) with ordinality k (attnum, n)
     join pg_attribute a on a.attnum = k.attnum where i.indrelid = c.oid and i.indisprimary and a.attrelid = c.oid) as key
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('public', 'trade', 'app', 'billing') and c.relkind in ('r', 'p', 'v', 'm')
    and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')`;

test("every relation of the schemas is expected to be adopted or refused", async () => {
  await withDatabase(async (sql) => {
    await loadSchemas(sql);
    const found = await relations(sql);
    expect(found.map(({ relation }) => relation).sort()).toEqual(expectations.map(({ relation }) => relation).sort());
    const keys = new Map(found.map(({ relation, key }) => [relation, key]));
    for (const { relation, key } of adoptedTables) expect([relation, keys.get(relation)]).toEqual([relation, [...key]]);
    for (const { parent, child, key, parentKey } of families) {
      expect(keys.get(parent)?.length).toBe(parentKey.length);
      expect(keys.get(child)).toEqual([...parentKey, ...key]);
    }
    expect(adoptedTables.length).toBeGreaterThanOrEqual(40);
  });
});

test.each(["rental", "trade", "saas"] satisfies SchemaName[])("%s loads alone", async (name) => {
  await withDatabase((sql) => loadSchemas(sql, [name]));
});

test("the fill gives each table rows, about as many as asked for", async () => {
  await withDatabase(async (sql) => {
    await loadSchemas(sql);
    const rows = await fill(sql, 100_000);
    expect(rows).toBeWithin(100_000, 120_000);
    const empty: string[] = [];
    for (const { relation } of adoptedTables) {
      const [{ filled } = { filled: false }] = await sql.unsafe(`select exists (select from ${relation}) as filled`);
      if (!filled) empty.push(relation);
    }
    expect(empty).toEqual(["app.flag_log"]);
  });
});
