/** `lockstep adopt`, `unadopt`, `doctor` and `fill` on the sample tables, which others write meanwhile. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import tsconfig from "../../tsconfig.json";
import { Adoption } from "./adoption.ts";
import { expectations } from "./expectations.ts";
import { runWorkload } from "./workload.ts";

/** TEST_ROWS: rows of the source. */
const ROWS = Number(process.env.TEST_ROWS ?? 22_000);

const TRUNCATED = "app.import_rows";

/** What the compiler says about the declarations of a project. */
function typeErrors(folder: string): string {
  const root = join(import.meta.dir, "../..");
  const options = {
    ...tsconfig.compilerOptions,
    types: ["bun-types"],
    typeRoots: [join(root, "node_modules")],
    paths: { lockstep: [join(root, "contracts/index.ts")] },
  };
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions: options, include: ["*.ts", "entities/*.ts", join(root, "types.d.ts")] }),
  );
  return Bun.spawnSync([join(root, "node_modules/.bin/tsc"), "-p", folder]).stdout.toString();
}

test("every table is adopted, or refused with its reason, and nothing is changed", async () => {
  await using adoption = await Adoption.start(22_000);
  const { status, document, error } = await adoption.run("adopt", "--all", "--truncate", TRUNCATED);
  expect([status, error]).toEqual([0, ""]);
  const adopted = new Map(document.adopted.map((one: { relation: string }) => [one.relation, one]));
  const refused = new Map<string, string>(
    document.refused.map((one: { relation: string; obstacles: object[] }) => [
      one.relation,
      JSON.stringify(one.obstacles),
    ]),
  );
  const wrong = expectations.flatMap((expected): unknown[] => {
    const { relation } = expected;
    if (!expected.adopted)
      return expected.reason.test(refused.get(relation) ?? "") ? [] : [relation, refused.get(relation)];
    const { key, truncate } = expected;
    return Bun.deepEquals({ ...(adopted.get(relation) as object), ...{ key, truncate } }, adopted.get(relation))
      ? []
      : [relation, adopted.get(relation), refused.get(relation)];
  });
  expect(wrong).toEqual([]);
  const [schema] = await adoption.source`select to_regnamespace('lockstep') as lockstep`;
  expect(schema!.lockstep).toBeNull();

  expect(typeErrors(adoption.folder)).toBe("");

  const again = await adoption.run("adopt", "--all");
  expect(again.document.adopted).toEqual([]);
  expect(again.document.declared.length).toBe(document.adopted.length);
  expect(again.document.files.written).toEqual([]);
}, 180_000);

test("adoption beside writers, killed and continued: all copies are equal, and unadopt leaves nothing", async () => {
  await using adoption = await Adoption.start(ROWS);
  const stop = new AbortController();
  const writing = runWorkload({
    url: adoption.sourceUrl,
    seed: "adopt",
    seconds: 600,
    perSecond: 20,
    signal: stop.signal,
  });
  expect(await adoption.run("adopt", "--all", "--truncate", TRUNCATED)).toMatchObject({ status: 0 });
  const captured = await adoption.run("adopt", "--apply");
  expect([captured.error, captured.status]).toEqual(["", 1]);
  expect(captured.document).toMatchObject({ failed: [], next: expect.stringContaining("no relay runs") });
  await adoption.startServices();
  const killed = adoption.spawn("adopt", "--apply");
  await Bun.sleep(1_500);
  killed.kill("SIGKILL");
  await killed.exited;
  const applied = await adoption.run("adopt", "--apply", "--no-verify");
  stop.abort();
  const workload = await writing;
  expect(workload.unexpectedErrors).toEqual([]);
  expect([applied.error, applied.document?.next]).toEqual(["", undefined]);
  // Nothing is left to send: it compares the tables side by side.
  expect(await adoption.run("adopt", "--apply")).toMatchObject({ status: 0 });
  expect(await adoption.differences()).toEqual(new Map());
  const healthy = await adoption.run("doctor");
  expect(healthy.document.findings.filter(({ level }: { level: string }) => level === "problem")).toEqual([]);

  for (const name of adoption.running) await adoption.kill(name);
  const left = await adoption.run("unadopt", "--all", "--force");
  expect([left.error, left.document?.uninstalled]).toEqual(["", true]);
  const [traces] = await adoption.source`
      select (select count(*)::int from pg_trigger where tgname like '%lockstep%') as triggers,
        to_regnamespace('lockstep') as schema`;
  expect(traces).toEqual({ triggers: 0, schema: null });
}, 300_000);

test("the files are readable: one declaration and one migration for each table", async () => {
  await using adoption = await Adoption.start(0, (source) =>
    source.unsafe(`
      create table authors (id int primary key generated always as identity, name text not null, password_hash text);
      create table books (isbn text primary key, author_id int not null references authors, title text not null default 'Untitled');
    `),
  );
  const { document } = await adoption.run("adopt", "authors", "public.books");
  expect(document.files.written.toSorted()).toEqual([
    "entities/adopted.ts",
    "entities/author.ts",
    "entities/book.ts",
    "lockstep.config.ts",
    "migrations/copy/0001-authors.sql",
    "migrations/copy/0002-books.sql",
    "migrations/source/0001-capture-authors.sql",
    "migrations/source/0002-capture-books.sql",
  ]);
  const read = (path: string) => readFileSync(join(adoption.folder, path), "utf8");
  expect(
    read("entities/book.ts"),
  ).toBe(`/** Rows of the table public.books. Written from the catalogue of PostgreSQL; yours to edit. */
import { defineEntity, integer, pgTable, text, type Infer } from "lockstep";

export const books = pgTable("books", {
  isbn: text().primaryKey(),
  authorId: integer("author_id").notNull(),
  title: text().notNull().default("Untitled"),
});

export const book = defineEntity(books, {
  name: "book",
  references: { authorId: "author" },
  replicas: { copy: {} },
});

export type Book = Infer<typeof book>;
`);
  expect(read("migrations/copy/0001-authors.sql")).not.toContain("password_hash");
  expect(existsSync(join(adoption.folder, "entities/author.ts.draft"))).toBe(false);
  expect(readdirSync(join(adoption.folder, "migrations")).toSorted()).toEqual(["copy", "source"]);
}, 180_000);

test("children, doctor and fill in a small project", async () => {
  await using adoption = await Adoption.start(0, (source) =>
    source.unsafe(`
      create table orders (id bigint primary key generated always as identity, note text);
      create table order_lines (
        order_id bigint references orders on delete cascade, line_no int, amount numeric not null, primary key (order_id, line_no)
      );
      insert into orders (note) select 'order ' || i from generate_series(1, 1200) i;
      insert into order_lines select id, n, id + n / 10.0 from orders, generate_series(1, 2) n;
    `),
  );
  const problems = async () => {
    const { document } = await adoption.run("doctor");
    return document.findings.filter(({ level }: { level: string }) => level === "problem").map(textOf);
  };
  const textOf = ({ area, text }: { area: string; text: string }) => `${area}: ${text}`;
  const named = await adoption.run("adopt", "orders", "--children", "order_lines");
  expect(named.document.adopted).toMatchObject([{ entity: "order", children: [{ relation: "public.order_lines" }] }]);
  expect(await problems()).toEqual([]);
  expect(await adoption.run("adopt", "--apply")).toMatchObject({ status: 1, error: "" });
  await adoption.startServices();
  const applied = await adoption.run("adopt", "--apply");
  expect([applied.error, applied.status]).toEqual(["", 0]);
  expect(applied.document).toMatchObject({ backfills: [{ entity: "order", sent: 1_200 }], failed: [] });
  const count = async (table: string) =>
    Number((await adoption.replica.unsafe(`select count(*) from ${table}`))[0]!.count);
  expect([await count("orders"), await count("order_lines")]).toEqual([1_200, 2_400]);

  // As in a new replica.
  await adoption.replica.unsafe(
    "delete from order_lines; delete from orders; delete from lockstep.versions where entity = 'order'",
  );
  const lacking = await adoption.run("doctor");
  expect(lacking.document.findings.filter(({ level }: { level: string }) => level === "warning").map(textOf)).toContain(
    "replica copy: never got a row of order; the source has 1200",
  );
  const filled = await adoption.run("fill");
  expect([filled.error, filled.document]).toEqual([
    "",
    { whole: true, filled: [{ entity: "order", replicas: ["copy"], sent: 1_200, whole: true }] },
  ]);
  expect([await count("orders"), await count("order_lines")]).toEqual([1_200, 2_400]);
  expect((await adoption.run("fill")).document).toEqual({ whole: true, filled: [] });

  await adoption.source.unsafe("alter table orders drop column note");
  expect(await problems()).toContain("source: table orders of order has no column note");
}, 120_000);

test("unadopt removes a table or everything, and a table can be adopted again", async () => {
  await using adoption = await Adoption.start(0, (source) =>
    source.unsafe(`
      create table authors (id int primary key, name text);
      create table books (isbn text primary key, title text);
      insert into books values ('1', 'One');
    `),
  );
  await adoption.run("adopt", "authors", "books");
  expect(await adoption.run("adopt", "--apply")).toMatchObject({ status: 1, error: "" });
  await adoption.source`update books set title = 'Two'`;
  const waiting = await adoption.run("unadopt", "public.books", "--within", "1");
  expect(waiting.error).toContain("1 changes of book wait for the relay");
  const left = await adoption.run("unadopt", "books", "--force");
  expect(left.document).toMatchObject({
    removed: [{ entity: "book", relation: "public.books" }],
    droppedChanges: 1,
    uninstalled: false,
    remains: { files: ["entities/book.ts", "migrations/source/0002-capture-books.sql"] },
  });
  const captured = async () =>
    (await adoption.source`select entity from lockstep.captured order by 1`).map((row) => row.entity);
  expect(await captured()).toEqual(["author", "canary"]);
  await adoption.source`update books set title = 'Three'`;
  expect(await adoption.source`select from lockstep.outbox where entity = 'book'`).toHaveLength(0);

  expect((await adoption.run("adopt", "--apply")).document.installed).toEqual(["0002-capture-books"]);
  expect(await captured()).toEqual(["author", "book", "canary"]);
  expect((await adoption.run("unadopt", "--all")).document).toMatchObject({ uninstalled: true });
  const [traces] = await adoption.source`
    select to_regnamespace('lockstep') as schema, to_regclass('canaries') as canaries,
      (select count(*)::int from pg_trigger where not tgisinternal) as triggers`;
  expect(traces).toEqual({ schema: null, canaries: null, triggers: 0 });
  expect((await adoption.run("unadopt", "--all")).document).toMatchObject({ removed: [], uninstalled: false });
}, 180_000);
