/**
 * P6 over the whole way: rows written by SQL, one in a hundred of which cannot be sent, validated or applied, of ten
 * sorts. TEST_ROWS is the number of good rows beside the bad ones (default 500, at 200 a second).
 */
import { expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { alternate, median } from "../../harness/alternate.ts";
import { metric } from "../../harness/client.ts";
import { eventually } from "../../harness/eventually.ts";
import { runLockstep } from "../../harness/run-lockstep.ts";
import { Stack } from "../../harness/stack.ts";

const ROWS = Number(process.env.TEST_ROWS ?? 500);
const PER_SECOND = 200;
const TURNS = 10;
const MEGABYTE = 1_000_000;

interface Bad {
  readonly id: string;
  readonly reason: string;
  readonly sort: number;
}

const connect = (url: string, max: number) => {
  const sql = postgres(url, { max, fetch_types: false, onnotice: () => {} });
  return { sql, [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }) };
};

const insert = async (sql: Sql, values: Record<string, unknown> = {}): Promise<string> => {
  const sku = crypto.randomUUID();
  const [row] = await sql<{ id: string }[]>`
    insert into products ${sql({ sku, name: "N", price: "1", status: "active", ...values })} returning id`;
  return row!.id;
};

/** Inserts with statements before and after, in one transaction. */
const insertBetween = async (
  sql: Sql,
  before: string,
  columns: string,
  values: string,
  after = "",
): Promise<string> => {
  const id = crypto.randomUUID();
  await sql.unsafe(`${before};
    insert into products (id, sku, name, status, ${columns}) values ('${id}', '${id}', 'N', 'active', ${values});
    ${after}`);
  return id;
};

/** Writes a row that cannot arrive, of one of ten sorts. */
const sorts: readonly { reason: string; write: (sql: Sql) => Promise<string> }[] = [
  { reason: "record-too-large", write: (sql) => insert(sql, { tags: `{${"x".repeat(1.28 * MEGABYTE)}}` }) },
  {
    reason: "record-too-large",
    write: (sql) =>
      insertBetween(sql, `select set_config('lockstep.actor', repeat('a', ${1.2 * MEGABYTE}), true)`, "price", "1"),
  },
  {
    reason: "version-too-large",
    write: async (sql) => {
      const id = crypto.randomUUID();
      await sql`insert into lockstep.tombstones (entity, id, version) values ('product', ${id}, ${"9007199254740992"})`;
      return insert(sql, { id });
    },
  },
  {
    reason: "undeclared-entity",
    write: async (sql) => (await sql<{ id: string }[]>`insert into invoices (total) values (1) returning id`)[0]!.id,
  },
  {
    reason: "missing-column",
    write: (sql) =>
      insertBetween(
        sql,
        "alter table products rename price to amount",
        "amount",
        "1",
        "alter table products rename amount to price",
      ),
  },
  { reason: "invalid-document", write: (sql) => insert(sql, { tags: "{twice,twice}" }) },
  { reason: "invalid-document", write: (sql) => insert(sql, { tags: `{${"t".repeat(51)}}` }) },
  { reason: "invalid-document", write: (sql) => insert(sql, { tags: '{""}' }) },
  { reason: "unappliable", write: (sql) => insert(sql, { name: "violates a check" }) },
  { reason: "unappliable", write: (sql) => insert(sql, { name: "raises an error" }) },
];

async function prepare(source: Sql, catalog: Sql): Promise<void> {
  await source.unsafe(`create table invoices (id uuid primary key default uuidv7(), version bigint, total int,
      created_at timestamptz, updated_at timestamptz);
    select lockstep.capture('invoices', 'invoice')`);
  await catalog.unsafe(`alter table products add constraint no_violation check (name <> 'violates a check');
    create function raise_error() returns trigger language plpgsql as
      $$ begin raise exception 'a rule of the catalog' using errcode = 'LS001'; end $$;
    create trigger raise_error before insert or update on products
      for each row when (new.name = 'raises an error') execute function raise_error()`);
}

/** Milliseconds from commit in the source to commit in the catalog, for each id. Waits until all have arrived. */
async function latencies(source: Sql, catalog: Sql, ids: readonly string[]): Promise<number[]> {
  const commits = async (sql: Sql) =>
    new Map(
      (
        await sql<{ id: string; ms: number }[]>`
          select id, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as ms
          from products where id = any (${`{${ids.join(",")}}`}::text::uuid[])`
      ).map(({ id, ms }) => [id, ms]),
    );
  const arrived = await eventually(
    async () => {
      const found = await commits(catalog);
      return found.size === ids.length && found;
    },
    { timeoutMs: 30_000, what: `${ids.length} rows in the catalog` },
  );
  const written = await commits(source);
  return ids.map((id) => arrived.get(id)! - written.get(id)!);
}

/** Writes `count` good rows at the rate, and the bad ones beside them, evenly spread. @returns the ids of the good rows. */
async function writeRows(sql: Sql, count: number, bad: readonly (() => Promise<void>)[]): Promise<string[]> {
  const start = performance.now();
  const writes: Promise<string>[] = [];
  const badWrites: Promise<void>[] = [];
  for (let n = 0; n < count; n++) {
    const wait = start + (n * 1_000) / PER_SECOND - performance.now();
    if (wait > 1) await Bun.sleep(wait);
    writes.push(insert(sql));
    if (Math.floor(((n + 1) * bad.length) / count) > badWrites.length) badWrites.push(bad[badWrites.length]!());
  }
  await Promise.all(badWrites);
  return Promise.all(writes);
}

interface Item {
  readonly id: string;
  readonly reason: string;
  readonly state: string;
  readonly origin: string;
}

async function openItems(stack: Stack): Promise<Item[]> {
  const { document, stderr } = await runLockstep(
    stack,
    ...["dead-letters", "list", "--state", "open", "--limit", "10000", "--json"],
  );
  if (!document) throw new Error(stderr);
  return document.items as Item[];
}

const statusOf = (stack: Stack) => runLockstep(stack, "status", "--json");
const conditionsIn = (document: Record<string, unknown> | undefined): string[] =>
  ((document?.conditions ?? []) as { condition: string }[]).map(({ condition }) => condition);

/** Corrects the cause of every sort, and replays or drops what does not heal by a newer state. */
async function solve(stack: Stack, source: Sql, catalog: Sql, bad: readonly Bad[]): Promise<void> {
  const ids = (sort: number) => `{${bad.flatMap((each) => (each.sort === sort ? [each.id] : [])).join(",")}}`;
  const verb = async (...args: string[]) => {
    const { status, stdout, stderr } = await runLockstep(stack, "dead-letters", ...args);
    expect([args.join(" "), status, stdout + stderr]).toEqual([args.join(" "), 0, expect.any(String)]);
  };
  for (const sort of [0, 5, 6, 7])
    await source`update products set tags = '{healed}' where id = any (${ids(sort)}::text::uuid[])`;
  await source.unsafe(`alter table products disable trigger "~lockstep_stamp";
    update products set version = 1 where id = any ('${ids(2)}'::uuid[]);
    alter table products enable always trigger "~lockstep_stamp"`);
  await catalog.unsafe("alter table products drop constraint no_violation; drop trigger raise_error on products");
  await verb("drop", "--reason", "undeclared-entity", "--yes");
  await verb("replay", "--replica", "relay");
  await verb("replay", "--reason", "unappliable");
}

test("P6: of rows by SQL, one in a hundred bad in ten ways, all good ones arrive in time and all bad ones are listed", async () => {
  await using stack = await Stack.start();
  const [sourceUrl, catalogUrl, storefrontUrl, relay] = await Promise.all(
    ["gateway-db", "catalog-db", "storefront-db", "relay"].map((name) => stack.url(name)),
  );
  await using sourceClient = connect(sourceUrl!, 8);
  await using catalogClient = connect(catalogUrl!, 2);
  await using storefrontClient = connect(storefrontUrl!, 2);
  // Bad rows have a connection of their own: some are large, and some lock the table for a moment.
  await using otherClient = connect(sourceUrl!, 1);
  const [source, catalog, storefront] = [sourceClient.sql, catalogClient.sql, storefrontClient.sql];
  await prepare(source, catalog);
  await latencies(source, catalog, await writeRows(source, 100, [])); // warm-up

  const bad: Bad[] = [];
  const writers = Array.from({ length: Math.ceil(ROWS / 100 / TURNS) * TURNS }, (_, n) => async () => {
    const sort = n % sorts.length;
    const { reason, write } = sorts[sort]!;
    bad.push({ id: await write(otherClient.sql), reason, sort });
  });
  const good: string[] = [];
  const turn = async (others: readonly (() => Promise<void>)[]) => {
    const ids = await writeRows(source, ROWS / TURNS, others);
    good.push(...ids);
    return latencies(source, catalog, ids);
  };
  const measured = await alternate(TURNS, {
    without: () => turn([]),
    with: (n) => turn(writers.slice((n * writers.length) / TURNS, ((n + 1) * writers.length) / TURNS)),
  });
  const p = (q: number, of: number[][]) => {
    const sorted = of.flat().sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length * q)]!;
  };
  const figures = (of: number[][]) => `${median(of.flat()).toFixed(1)} ms p50, ${p(0.95, of).toFixed(1)} ms p95`;
  console.log(
    `${good.length} good and ${bad.length} bad rows: ${figures(measured.with)}; without bad rows ${figures(measured.without)}`,
  );
  expect(median(measured.with.flat())).toBeLessThanOrEqual(median(measured.without.flat()) * 2 + 20);

  for (const replica of [catalog, storefront])
    await eventually(
      async () => {
        const [row] = await replica<{ count: number }[]>`
            select count(*)::int as count from products where id = any (${`{${good.join(",")}}`}::text::uuid[])`;
        return row!.count === good.length;
      },
      { timeoutMs: 30_000, what: "all good rows in every replica" },
    );
  const expected = bad.map(({ id, reason }) => `${id} ${reason}`).sort();
  await eventually(
    async () => {
      const found = (await openItems(stack)).map(({ id, reason }) => `${id} ${reason}`);
      return Bun.deepEquals(found.sort(), expected);
    },
    { timeoutMs: 30_000, what: "all bad rows to be listed with their reasons", everyMs: 500 },
  );

  const before = await statusOf(stack);
  expect([before.status, conditionsIn(before.document)]).toEqual([
    1,
    expect.arrayContaining(["rows-set-aside", "dead-letters-open"]),
  ]);
  const setAside = bad.filter(({ sort }) => sort < 5);
  expect(await metric(relay!, "lockstep_set_aside_rows")).toBe(setAside.length);
  const journey = await runLockstep(stack, "journey", setAside[0]!.id);
  expect(journey.stdout).toContain("set aside   record-too-large: outbox/");
  const [listed] = (await openItems(stack)).filter(({ reason }) => reason === "missing-column");
  const shown = await runLockstep(stack, "dead-letters", "show", listed!.origin);
  expect(shown.stdout).toContain("the row has no column price");
  const unknown = await runLockstep(stack, "dead-letters", "drop", "outbox/999999", "--yes");
  expect([unknown.status, unknown.stdout]).toEqual([
    1,
    expect.stringContaining("there is no dead letter outbox/999999"),
  ]);

  await solve(stack, source, catalog, bad);
  await eventually(async () => (await openItems(stack)).length === 0, {
    timeoutMs: 30_000,
    what: "no open dead letter",
    everyMs: 500,
  });
  const sent = bad.flatMap(({ id, sort }) => (sort === 3 ? [] : [id]));
  await eventually(async () => (await latencies(source, catalog, sent)).length === sent.length, {
    timeoutMs: 30_000,
    what: "all corrected rows in the catalog",
  });
  await eventually(
    async () => {
      const { document } = await statusOf(stack);
      return document && !conditionsIn(document).some((name) => /rows-set-aside|dead-letters-open/.test(name));
    },
    { timeoutMs: 20_000, what: "the status without dead letters", everyMs: 500 },
  );
  const verified = await runLockstep(stack, "verify", "--share", "1");
  expect([verified.status, verified.stdout]).toEqual([0, expect.any(String)]);
}, 600_000);
