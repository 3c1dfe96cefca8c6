/** Small applications with an ORM write to a database, with their actor and trace in each transaction. */
import { expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { freshDatabase } from "../../harness/servers.ts";
import { BookshopApp } from "./bookshop-app.ts";
import { LibraryApp, type WriteContext } from "./drizzle/library-app.ts";

const context: WriteContext = {
  actor: "somebody@example.org",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
};

/** Records each change of the tables with the settings of its transaction, as a capture by trigger sees them. */
async function recordContexts(sql: Sql, tables: readonly string[]): Promise<void> {
  await sql.unsafe(`
    create table context_log (relation text, operation text, actor text, traceparent text);
    create function log_context() returns trigger language plpgsql as $$ begin
      insert into context_log values (tg_relid::regclass::text, tg_op,
        nullif(current_setting('lockstep.actor', true), ''), nullif(current_setting('lockstep.traceparent', true), ''));
      return null;
    end $$`);
  for (const table of tables)
    await sql.unsafe(`create trigger log_context after insert or update or delete on ${table}
      for each row execute function log_context()`);
}

const contextsOf = async (sql: Sql) =>
  await sql<{ relation: string; operation: string; actor: string | null; traceparent: string | null; rows: number }[]>`
    select relation, operation, actor, traceparent, count(*)::int as rows from context_log
    group by 1, 2, 3, 4 order by 1, 2, 3`;

async function withDatabase(work: (sql: Sql, url: string) => Promise<void>): Promise<void> {
  const url = await freshDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await work(sql, url);
  } finally {
    await sql.end();
  }
}

test("the library on Drizzle migrates and writes", async () => {
  await withDatabase(async (sql, url) => {
    const app = new LibraryApp(url);
    await app.migrate();
    await recordContexts(sql, ["library.members", "library.books", "library.loans"]);
    await app.workingDay(context);
    await app.close();

    const [counts] = await sql`select (select count(*)::int from library.members) as members,
      (select count(*)::int from library.books) as books, (select count(*)::int from library.loans) as loans,
      (select count(*)::int from library.members where 'must not be seen' = any (tags)) as rolled_back`;
    expect(counts).toEqual({ members: 2, books: 500, loans: 2, rolled_back: 0 });
    const contexts = await contextsOf(sql);
    const without = contexts.filter(({ actor }) => actor === null);
    expect(without).toEqual([
      { relation: "library.books", operation: "UPDATE", actor: null, traceparent: null, rows: 2 },
    ]);
    const others = contexts.filter((row) => !without.includes(row));
    expect(others.length).toBeGreaterThan(6);
    for (const { actor, traceparent } of others) expect({ actor, traceparent }).toEqual(context);
  });
});

test("the bookshop on Django migrates and writes", async () => {
  await withDatabase(async (sql, url) => {
    const app = await BookshopApp.open(url);
    await app.migrate();
    expect(await app.isUpToDate()).toBe(true);
    await recordContexts(sql, ["orders_publisher", "orders_book", "orders_order", "orders_orderline"]);
    await app.workingDay(context);

    const [counts] = await sql`select (select count(*)::int from orders_publisher) as publishers,
      (select count(*)::int from orders_book) as books, (select count(*)::int from orders_order) as orders,
      (select count(*)::int from orders_orderline) as lines, (select count(*)::int from orders_book_related) as related,
      (select count(*)::int from orders_book where title = 'must not be seen') as rolled_back`;
    expect(counts).toEqual({ publishers: 21, books: 285, orders: 1, lines: 4, related: 4, rolled_back: 0 });
    const contexts = await contextsOf(sql);
    const without = contexts.filter(({ actor }) => actor === null);
    expect(without).toEqual([
      { relation: "orders_publisher", operation: "UPDATE", actor: null, traceparent: null, rows: 1 },
    ]);
    const others = contexts.filter((row) => !without.includes(row));
    expect(others.length).toBeGreaterThan(8);
    for (const { actor, traceparent } of others) expect({ actor, traceparent }).toEqual(context);
  });
});
