/** A declared entity with a key of two columns, children and versions beside the table: applies, cache, HTTP, rebuild. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Hono } from "hono";
import postgres, { type Sql } from "postgres";
import { integer, numeric, pgSchema, pgTable, pgType, primaryKey, text } from "../contracts/entity/columns.ts";
import { aggregate, child, defineEntity } from "../contracts/entity/define-entity.ts";
import type { Document } from "../contracts/entity/document.ts";
import { keyOf } from "../contracts/entity/key.ts";
import { encodeRouted, routedHeaders } from "../contracts/routed-event.ts";
import { encodeSyncToken } from "../contracts/sync-token.ts";
import { replicaTopic } from "../contracts/topics.ts";
import { createMetrics } from "../observability/metrics.ts";
import { serviceApp } from "../platform/http/service-app.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import { type CacheProcess, startCacheProcess } from "../tests/harness/cache-process.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { newId, silentLogger } from "../tests/harness/replica.ts";
import { freshDatabase, redisUrl } from "../tests/harness/servers.ts";
import { SimulatedLog } from "../tests/harness/simulated-log.ts";
import type { Change } from "./apply/apply.ts";
import { rebuildTables } from "./catch-up/rebuild/rebuild.ts";
import { migrationsOf } from "./migrations/index.ts";
import { addReads } from "./reads/routes.ts";

const sales = pgSchema("sales");
const orders = sales.table(
  "Orders",
  { shop: text().notNull(), number: integer().notNull(), customer: pgType("citext").notNull(), total: numeric() },
  (t) => [primaryKey({ columns: [t.shop, t.number] })],
);
const lines = pgTable(
  "order_lines",
  {
    shop: text().notNull(),
    number: integer().notNull(),
    line: text("line_no").notNull(),
    amount: numeric({ precision: 9, scale: 2 }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.shop, t.number, t.line] })],
);
const order = defineEntity(aggregate(orders, { lines: child(lines, { parentKey: ["shop", "number"] }) }), {
  name: "order",
  plural: "orders",
  replicas: { catalog: { table: { schema: "sales", name: "versions" } } },
});
const replica = order.replicas[0]!;

/** The replica's table has the name of one of Lockstep's own, in another schema. */
const TABLES = `
  create extension citext;
  create schema sales;
  create table sales.versions (shop text, number int, customer citext not null, total numeric, primary key (shop, number));
  create table order_lines (shop text, number int, line_no text, amount numeric(9,2) not null, primary key (shop, number, line_no))`;

async function newDatabase(): Promise<{ url: string; sql: Sql } & AsyncDisposable> {
  const url = await freshDatabase();
  const project = { migrations: { source: [], replicas: { catalog: [{ name: "catalog/0001-orders", sql: TABLES }] } } };
  await migrate(url, migrationsOf(project, "catalog"), silentLogger);
  const sql = postgres(url, { max: 2, onnotice: () => {} });
  return { url, sql, [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }) };
}

const orderOf = (shop: string, number: number, names: readonly string[]): Document => ({
  ...{ shop, number, customer: "Ann", total: "10.50" },
  lines: names.map((line) => ({ shop, number, line, amount: "1.50" })),
});
const change = (document: Document, version: number): Change => ({ id: keyOf(order, document), version, document });
const byId = (a: Change, b: Change) => (a.id < b.id ? -1 : 1);

describe("reads", () => {
  let database: Awaited<ReturnType<typeof newDatabase>>;
  let process: CacheProcess;
  let app: Hono;

  beforeAll(async () => {
    database = await newDatabase();
    const replicated = { entity: order, replica };
    process = await startCacheProcess(database.url, await redisUrl(), `orders-${newId()}`, { replicated });
    app = serviceApp({ checks: [], metrics: createMetrics("test", "1"), logger: silentLogger });
    const { lookup, rows, freshness } = process;
    const deps = { lookup, rows, freshness, metrics: createMetrics("test", "1"), lagMs: () => 0 };
    addReads(app, { ...deps, waitMs: 100, maxWaitMs: 2_000 }, order, "catalog");
    await eventually(() => process.replica.epoch.lease()?.runId, { timeoutMs: 10_000, what: "the cache to be on" });
  }, 60_000);
  afterAll(async () => {
    await process[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  });

  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await app.request(path, { headers });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };

  test("by a key with separators, from the cache and from PostgreSQL, have the same bytes and version", async () => {
    const documents = [orderOf("a,b/%c", 7, ["z", "B", "a"]), orderOf("", 7, []), orderOf("é 😀", -1, ["1"])];
    expect(await process.applyAndCache(documents.map((document) => change(document, 3)).toSorted(byId))).toBe(true);
    for (const document of documents) {
      const path = `/orders/${encodeURIComponent(keyOf(order, document))}`;
      const cached = await get(path);
      expect([cached.status, cached.headers.get("cache-status")]).toEqual([200, "lockstep-redis; hit"]);
      expect(cached.headers.get("etag")).toBe('"3"');
      const stored = await process.rows.one(keyOf(order, document));
      expect(stored?.version).toBe(3);
      const ordered = (text: string) => {
        const { lines, ...others } = JSON.parse(text);
        return {
          ...others,
          lines: lines.toSorted((a: { line: string }, b: { line: string }) => (a.line < b.line ? -1 : 1)),
        };
      };
      expect(ordered(cached.text)).toEqual(ordered(JSON.stringify(document)));
      expect(ordered(stored!.body!)).toEqual(ordered(JSON.stringify(document)));
    }
    expect((await get("/orders/a%252Cb%2F%2525c,0007")).status, "a number with zeros in front").toBe(200);
    for (const wrong of ["7", "a,b,7", "a,x", "a,99999999999", "%25zz,7"])
      expect([wrong, (await get(`/orders/${wrong}`)).status]).toEqual([wrong, 404]);
  });

  test("of pages follow the key's columns, and a token of any key waits", async () => {
    await process.applyAndCache([2, 10, 1].map((number) => change(orderOf("pages", number, []), 1)).toSorted(byId));
    const numbers: number[] = [];
    for (let path = "/orders?limit=2"; path; ) {
      const page = await get(path);
      const { items, nextCursor } = JSON.parse(page.text) as { items: Document[]; nextCursor: string | null };
      numbers.push(...items.filter(({ shop }) => shop === "pages").map(({ number }) => number as number));
      path = nextCursor === null ? "" : `/orders?limit=2&cursor=${nextCursor}`;
    }
    expect(numbers).toEqual([1, 2, 10]);
    const token = (version: number) => ({
      "sync-token": encodeSyncToken([{ plural: "orders", id: "pages,2", version }]),
    });
    expect((await get("/orders/pages,2", token(1))).status).toBe(200);
    expect((await get("/orders/pages,2", { ...token(2), prefer: "wait=0" })).status).toBe(503);
    expect((await get(`/orders?cursor=${Buffer.from("7").toString("base64url")}`)).status).toBe(400);
  });
});

describe("a rebuild", () => {
  const topic = replicaTopic(order, "catalog");
  class ConfiguredLog extends SimulatedLog {
    override topicConfig(): Promise<ReadonlyMap<string, string>> {
      return Promise.resolve(new Map(Object.entries(topic.config)));
    }
  }

  const append = (log: SimulatedLog, id: string, version: number, document: Document | null) => {
    const operation = document ? ("upserted" as const) : ("deleted" as const);
    const event = {
      entity: "order",
      namespace: "",
      id,
      version,
      operation,
      time: new Date().toISOString(),
      schemaVersion: 1,
      document: null,
    };
    log.append({ topic: topic.name, partition: 0 }, [
      encodeRouted(event, document, routedHeaders(event, 0, undefined)),
    ]);
  };

  test.each(["replaces the tables", "merges into tables with own columns and foreign keys"])(
    "%s, with their children",
    async (what) => {
      await using database = await newDatabase();
      const { sql, url } = database;
      if (what.startsWith("merges"))
        await sql.unsafe(`
        alter table order_lines add column note text, add foreign key (shop, number) references sales.versions on delete cascade;
        create view totals as select shop, sum(total) from sales.versions group by shop`);
      const process = await startCacheProcess(url, undefined, "catalog", { replicated: { entity: order, replica } });
      const kept = orderOf("a,b", 1, ["x", "y"]);
      const gone = orderOf("gone", 2, ["x"]);
      await process.applier.apply([change(kept, 1), change(gone, 1)].toSorted(byId));
      await process[Symbol.asyncDispose]();
      if (what.startsWith("merges")) await sql`update order_lines set note = 'mine'`;
      await sql`delete from order_lines where line_no = 'y'`;
      await sql`update sales.versions set customer = 'ANN' where shop = 'a,b'`;

      const log = new ConfiguredLog(1);
      append(log, keyOf(order, kept), 1, kept);
      append(log, keyOf(order, gone), 2, null);
      append(log, "new,3", 1, orderOf("new", 3, ["n"]));
      const options = { databaseUrl: url, log, signal: new AbortController().signal, onProgress: () => {} };
      expect(await rebuildTables(options, [{ entity: order, replica }])).toMatchObject({
        switched: true,
        rows: 2,
        refused: 0,
      });

      expect(
        [...(await sql`select shop, number, customer::text from sales.versions order by 1`)].map((row) =>
          Object.values(row),
        ),
      ).toEqual([
        ["a,b", 1, "Ann"],
        ["new", 3, "Ann"],
      ]);
      const ownLines = await sql`select * from order_lines order by shop, line_no`;
      expect(ownLines.map(({ shop, line_no, note }) => [shop, line_no, note ?? null])).toEqual([
        ["a,b", "x", what.startsWith("merges") ? "mine" : null],
        ["a,b", "y", null],
        ["new", "n", null],
      ]);
      expect(
        [...(await sql`select id, version::int, deleted from lockstep.versions order by id`)].map((row) =>
          Object.values(row),
        ),
      ).toEqual([
        ["a%2Cb,1", 1, false],
        ["gone,2", 2, true],
        ["new,3", 1, false],
      ]);
      expect(await sql`select from pg_namespace where nspname = 'lockstep_next'`).toHaveLength(0);
    },
  );
});
