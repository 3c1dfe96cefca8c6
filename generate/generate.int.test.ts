/** Generated migrations on real databases that have rows. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { PgColumnBuilderBase } from "drizzle-orm/pg-core";
import {
  check,
  foreignKey,
  index,
  integer,
  numeric,
  pgEnum,
  pgSchema,
  pgTable,
  primaryKey,
  sql,
  text,
  unique,
  uniqueIndex,
  uuid,
  varchar,
} from "../contracts/entity/columns.ts";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { aggregate, child, defineEntity } from "../contracts/entity/define-entity.ts";
import { defineProject, type Migration, type Project } from "../contracts/project.ts";
import { sourceMigrations } from "../gateway/migrations/index.ts";
import { createLogger } from "../observability/logger.ts";
import { connectDedicated, type Sql } from "../platform/postgres/connect.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import { migrationsOf } from "../replicas/migrations/index.ts";
import { replicaTable } from "../replicas/table.ts";
import { everyType } from "../tests/harness/every-type.ts";
import { idColumn, ownColumns, ownOptions } from "../tests/harness/own-columns.ts";
import { freshDatabase } from "../tests/harness/servers.ts";
import { type GenerateOptions, generate } from "./generate.ts";
import { parseRename } from "./renames.ts";
import { emptySnapshot, parseSnapshot, type Snapshot, snapshotText } from "./snapshot.ts";

const logger = createLogger("test", "1", "silent");

/** A project whose declarations change, with a source and the replica "copy". */
class Changing implements AsyncDisposable {
  private snapshot: Snapshot = emptySnapshot;
  private readonly files = new Map<string, string>();

  private constructor(
    readonly source: Sql,
    readonly copy: Sql,
    private readonly urls: { readonly source: string; readonly copy: string },
  ) {}

  static async start(): Promise<Changing> {
    const urls = { source: await freshDatabase(), copy: await freshDatabase() };
    return new Changing(connectDedicated(urls.source, "test"), connectDedicated(urls.copy, "test"), urls);
  }

  /** Generates from these declarations, and migrates both databases. @returns the new files, and what was said. */
  async change(entities: readonly EntityDeclaration[], options: Partial<GenerateOptions> & { rename?: string } = {}) {
    const renames = options.rename === undefined ? [] : [parseRename(options.rename)];
    const result = generate(this.project(entities), this.snapshot, {
      renames,
      contract: options.contract ?? false,
      recordOnly: options.recordOnly ?? false,
    });
    for (const [path, sql] of result.files) this.files.set(path, sql);
    this.snapshot = parseSnapshot(snapshotText(result.snapshot), "snapshot.json");
    const project = this.project(entities);
    await migrate(this.urls.source, sourceMigrations(project), logger);
    await migrate(this.urls.copy, migrationsOf(project, "copy"), logger);
    // A replica can apply to its tables.
    for (const entity of entities)
      for (const replica of entity.replicas) {
        const { name, options } = replicaTable(entity, replica);
        await this
          .copy`select lockstep.replicate(${name}::text::regclass, ${entity.name}::text, ${options}::text::jsonb)`;
      }
    const again = generate(project, this.snapshot, { renames: [], contract: false, recordOnly: false });
    expect([...again.files.keys()]).toEqual([]);
    expect(snapshotText(again.snapshot)).toBe(snapshotText(this.snapshot));
    return result;
  }

  /** Runs the statements that a file has for people, after "Migrate". */
  async fill(files: ReadonlyMap<string, string>): Promise<void> {
    for (const [path, text] of files)
      for (const [, statement] of text.matchAll(/^-- {3}(update .*;)$/gm))
        await (path.startsWith("source/") ? this.source : this.copy).unsafe(statement!);
  }

  /** Columns of a table: name, type, and whether it allows null. */
  async columns(of: Sql, table: string): Promise<string[]> {
    const rows = await of<{ text: string }[]>`
      select concat_ws(' ', attname, format_type(atttypid, atttypmod), case when not attnotnull then 'null' end) as text
      from pg_attribute where attrelid = ${table}::regclass and attnum > 0 and not attisdropped order by attname`;
    return rows.map((row) => row.text);
  }

  /** The newest row of the outbox. */
  async newest(): Promise<Record<string, unknown>> {
    const [row] = await this.source<{ data: Record<string, unknown> }[]>`
      select data from lockstep.outbox order by seq desc limit 1`;
    return row!.data;
  }

  private project(entities: readonly EntityDeclaration[]): Project {
    const { migrations: _, ...project } = defineProject({ entities });
    const of = (folder: string, prefix: string): Migration[] =>
      [...this.files]
        .filter(([path]) => path.startsWith(`${folder}/`))
        .map(([path, sql]) => ({ name: `${prefix}${path.slice(folder.length + 1, -".sql".length)}`, sql }));
    return { ...project, migrations: { source: of("source", ""), replicas: { copy: of("copy", "copy/") } } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.source.end({ timeout: 1 }), this.copy.end({ timeout: 1 })]);
  }
}

type Columns = Record<string, PgColumnBuilderBase>;
const item = (columns: Columns, options: object = {}): EntityDeclaration =>
  defineEntity(
    pgTable("items", { ...idColumn, ...(columns as object), ...ownColumns }) as never,
    {
      name: "item",
      ...ownOptions,
      replicas: { copy: {} },
      ...options,
    } as never,
  );

const title = { title: text().notNull() };

describe("a change of a table with rows", () => {
  let db: Changing;
  beforeAll(async () => {
    db = await Changing.start();
  });
  afterAll(() => db[Symbol.asyncDispose]());

  test("a new entity gets its table, its capture, and a table per replica", async () => {
    const { files, notes } = await db.change([item(title)]);
    expect([...files.keys()]).toEqual(["source/0001-items.sql", "copy/0001-items.sql"]);
    expect(notes).toEqual([]);
    await db.source`insert into items (title) values ('a'), ('b')`;
    expect(await db.newest()).toMatchObject({ title: "b", version: 1 });
    expect(await db.columns(db.copy, "items")).toEqual([
      ...["created_at timestamp(3) with time zone", "id uuid", "title text"],
      ...["updated_at timestamp(3) with time zone", "version bigint"],
    ]);
    await db.copy`insert into items (id, title, version, created_at, updated_at)
      values (uuidv7(), 'a', 1, now(), now())`;
  });

  test("a column with a default is there at once, in waiting rows of the outbox too", async () => {
    const { files, notes, waiting } = await db.change([item({ ...title, stock: integer().notNull().default(7) })]);
    expect([...files.keys()]).toEqual(["source/0002-items.sql", "copy/0002-items.sql"]);
    expect(await db.source`select distinct stock from items`).toEqual([{ stock: 7 }] as never);
    expect(await db.newest()).toMatchObject({ title: "b", stock: 7 });
    expect(await db.copy`select distinct stock from items`).toEqual([{ stock: 7 }] as never);
    expect(notes).toEqual([expect.stringContaining("source: stock added; replica copy: stock added")]);
    expect(notes[0]).toContain("set schemaVersion to 2 and add an upcaster for 1");
    expect(waiting).toEqual(["copy: items: stock is not null"]);
  });

  test("a column without a default allows null until it is filled", async () => {
    const columns = { ...title, stock: integer().notNull().default(7), code: text().notNull() };
    const { files, waiting } = await db.change([item(columns)]);
    expect(files.get("source/0003-items.sql")).toContain("code has no default");
    expect(waiting).toContain("source: items: code is not null");
    await db.source`update items set code = 'c' where code is null`;
    await db.copy`update items set code = 'c'`;
    const contract = await db.change([item(columns)], { contract: true });
    expect([...contract.files.keys()]).toEqual([
      ...["source/0004-changes-contract.sql", "source/0005-changes-contract-validate.sql"],
      ...["copy/0004-changes-contract.sql", "copy/0005-changes-contract-validate.sql"],
    ]);
    expect(await db.columns(db.source, "items")).toContain("code text");
    expect(await db.columns(db.copy, "items")).toEqual(expect.arrayContaining(["code text", "stock integer"]));
  });

  test("a default that PostgreSQL computes does not write all rows in the migration", async () => {
    const columns = { ...title, stock: integer().notNull().default(7), code: text().notNull() };
    const { files } = await db.change([item({ ...columns, token: uuid().notNull().default(sql`gen_random_uuid()`) })]);
    expect(await db.source`select count(*)::int as n from items where token is null`).toEqual([{ n: 2 }] as never);
    await db.fill(files);
    expect(await db.source`select count(distinct token)::int as n from items`).toEqual([{ n: 2 }] as never);
    await db.change([item(columns)]);
    const dropped = await db.change([item(columns)], { contract: true });
    expect(dropped.waiting).toEqual([]);
    expect(await db.columns(db.source, "items")).not.toContain(expect.stringContaining("token"));
  });

  test("a renamed column exists under both names, and every writer sees one value", async () => {
    const columns = { name: text().notNull(), stock: integer().notNull().default(7), code: text().notNull() };
    const asked = generateOnly(db, item(columns));
    expect(asked.possibleRenames).toEqual([{ table: "items", from: "title", to: "name" }]);
    const { files, waiting } = await db.change([item(columns)], { rename: "items.title=name" });
    expect(waiting[0]).toBe("source: items: drop column title, which name replaces");
    expect(await db.newest()).toMatchObject({ title: "b", name: "b" });
    await db.fill(files);
    await db.source`insert into items (title, code) values ('old', 'c')`;
    await db.source`insert into items (name, code) values ('new', 'c')`;
    await db.source`update items set name = 'B' where title = 'b'`;
    await db.source`update items set title = 'A' where name = 'a'`;
    expect(await db.source`select title, name from items order by title`).toEqual([
      ...[
        { title: "A", name: "A" },
        { title: "B", name: "B" },
      ],
      ...[
        { title: "new", name: "new" },
        { title: "old", name: "old" },
      ],
    ] as never);
    await db.fill(files);
    await db.change([item(columns)], { contract: true });
    expect(await db.columns(db.source, "items")).toContain("name text");
    expect((await db.columns(db.copy, "items")).join()).not.toContain("title");
    await db.source`insert into items (name, code) values ('after', 'c')`;
    expect(await db.newest()).toMatchObject({ name: "after" });
  });

  test("a column that is not declared any more stays until the contract step", async () => {
    const { waiting } = await db.change([item({ name: text().notNull(), stock: integer().notNull().default(7) })]);
    expect(waiting).toEqual(["source: items: drop column code", "copy: items: drop column code"]);
    await db.source`insert into items (name) values ('without code')`;
    const entity = item({ name: text().notNull(), stock: integer().notNull().default(7) });
    const { files } = await db.change([entity], { contract: true });
    expect([...files.values()].join()).toContain("no SQL reads or writes it");
    expect((await db.columns(db.source, "items")).join()).not.toContain("code");
  });

  test("a wider type is changed at once, any other in the contract step", async () => {
    const wide = await db.change([item({ name: varchar({ length: 20 }).notNull(), stock: integer().notNull() })]);
    expect(wide.waiting).toContain("source: items: retype name from text to character varying(20)");
    await db.change([item({ name: varchar({ length: 20 }).notNull(), stock: integer().notNull() })], {
      contract: true,
    });
    const longer = await db.change([item({ name: varchar({ length: 40 }).notNull(), stock: integer().notNull() })]);
    expect(longer.waiting).toEqual([]);
    expect(await db.columns(db.copy, "items")).toContain("name character varying(40)");
    const retyped = item({
      name: varchar({ length: 40 }).notNull(),
      stock: numeric({ precision: 8, scale: 1 }).notNull(),
    });
    await db.change([retyped]);
    expect(await db.columns(db.source, "items")).toContain("stock integer");
    await db.change([retyped], { contract: true });
    expect(await db.source`select distinct stock::text as stock from items`).toEqual([{ stock: "7.0" }] as never);
    await db.source`insert into items (name, stock) values ('numeric', 1.5)`;
    expect(await db.newest()).toMatchObject({ name: "numeric", stock: 1.5 });
  });

  test("a column becomes nullable at once, and not null in the contract step", async () => {
    const nullable = item({ name: varchar({ length: 40 }) });
    await db.change([nullable], { contract: true });
    expect(await db.columns(db.copy, "items")).toContain("name character varying(40) null");
    await db.source`insert into items (name) values (null)`;
    const required = item({ name: varchar({ length: 40 }).notNull() });
    expect((await db.change([required])).waiting).toEqual([
      "source: items: name is not null",
      "copy: items: name is not null",
    ]);
    await db.source`update items set name = '' where name is null`;
    await db.change([required], { contract: true });
    expect(await db.columns(db.source, "items")).toContain("name character varying(40)");
  });
});

/** What would be generated, without doing it. */
const generateOnly = (db: Changing, entity: EntityDeclaration) => {
  const internals = db as unknown as { project(e: readonly EntityDeclaration[]): Project; snapshot: Snapshot };
  return generate(internals.project([entity]), internals.snapshot, { renames: [], contract: false, recordOnly: false });
};

describe("rules of a table", () => {
  const priority = (...words: [string, ...string[]]) => pgEnum("priority", words);
  const ticket = (status: [string, ...string[]], words: [string, ...string[]], isIndexed: boolean) =>
    defineEntity(
      pgTable(
        "tickets",
        {
          ...idColumn,
          code: text().notNull(),
          status: text({ enum: status }).notNull(),
          priority: priority(...words)("priority").notNull(),
          ...ownColumns,
        },
        (table) => (isIndexed ? [index("tickets_code").on(table.code.desc()).where(sql`${table.code} <> ''`)] : []),
      ),
      { name: "ticket", ...ownOptions, replicas: { copy: {} } },
    );

  test("new words and indexes come at once, and a word that is gone in the contract step", async () => {
    await using db = await Changing.start();
    await db.change([ticket(["open"], ["low", "high"], false)]);
    await db.source`insert into tickets (code, status, priority) values ('a', 'open', 'low')`;
    expect(
      await refusal(db.source`insert into tickets (code, status, priority) values ('b', 'done', 'low')`),
    ).toContain("tickets_status_check");
    const { files } = await db.change([ticket(["open", "done"], ["low", "middle", "high"], true)]);
    expect([...files.keys()]).toEqual(["source/0002-tickets.sql", "source/0003-tickets-validate.sql"]);
    expect(files.get("source/0002-tickets.sql")).toContain("concurrently if not exists tickets_code");
    await db.source`insert into tickets (code, status, priority) values ('b', 'done', 'middle')`;
    expect(await db.newest()).toMatchObject({ status: "done", priority: "middle" });
    const [{ indexdef } = { indexdef: "" }] = await db.source<{ indexdef: string }[]>`
      select indexdef from pg_indexes where indexname = 'tickets_code'`;
    expect(indexdef).toContain("(code DESC NULLS LAST) WHERE (code <> ''::text)");
    await db.change([ticket(["done"], ["low", "middle", "high"], false)]);
    await db.source`update tickets set status = 'done'`;
    await db.change([ticket(["done"], ["low", "middle", "high"], false)], { contract: true });
    expect(await refusal(db.source`update tickets set status = 'open'`)).toContain("tickets_status_check");
    expect(await db.columns(db.copy, "tickets")).toContain("priority text");
  });

  test("constraints come and go on a table with rows, in a schema of its own", async () => {
    await using db = await Changing.start();
    const sales = pgSchema("sales");
    const groups = sales.table("Group", { id: integer().primaryKey(), title: text().notNull() });
    const group = defineEntity(groups, { name: "group", plural: "groups", replicas: { copy: {} } });
    const lead = (isStrict: boolean) =>
      defineEntity(
        sales.table(
          "leads",
          { id: integer().primaryKey(), email: text().notNull(), groupId: integer("group_id"), score: integer() },
          (table) =>
            isStrict
              ? [
                  unique("leads_email").on(table.email),
                  foreignKey({ name: "leads_group", columns: [table.groupId], foreignColumns: [groups.id] }).onDelete(
                    "set null",
                  ),
                  check("leads_score", sql`${table.score} >= 0`),
                  uniqueIndex("leads_pair").on(table.email, table.groupId),
                ]
              : [],
        ),
        { name: "lead", replicas: { copy: {} } },
      );
    await db.change([lead(false), group]);
    await db.source`insert into sales."Group" values (1, 'g')`;
    await db.source`insert into sales.leads values (1, 'a', 1, 1)`;
    const { files } = await db.change([lead(true), group]);
    expect([...files.keys()]).toEqual(["source/0002-leads.sql", "source/0003-leads-validate.sql"]);
    expect(await refusal(db.source`insert into sales.leads values (2, 'a', null, 1)`)).toContain("leads_email");
    expect(await refusal(db.source`insert into sales.leads values (2, 'b', 2, 1)`)).toContain("leads_group");
    expect(await refusal(db.source`insert into sales.leads values (2, 'b', 1, -1)`)).toContain("leads_score");
    await db.source`delete from sales."Group"`;
    expect(await db.newest()).toMatchObject({ email: "a", group_id: null });
    await db.change([lead(false), group]);
    expect(await refusal(db.source`insert into sales.leads values (2, 'a', 7, -1)`)).toBe("accepted");
    expect(await db.columns(db.copy, "leads")).toContain("email text");
  });

  test("an entity that is not declared any more keeps its table until the contract step", async () => {
    await using db = await Changing.start();
    const other = defineEntity(pgTable("others", { id: integer().primaryKey() }), {
      name: "other",
      replicas: { copy: {} },
    });
    await db.change([item(title), other]);
    await db.source`insert into items (title) values ('a')`;
    const { waiting } = await db.change([other]);
    expect(waiting).toEqual(["source: item: end its capture", "source: drop table items", "copy: drop table items"]);
    await db.change([other], { contract: true });
    const [captured] = await db.source`
      select to_regclass('items') as items, (select count(*)::int from lockstep.captured where entity = 'item') as n`;
    expect(captured).toMatchObject({ items: null, n: 0 });
  });

  test("a table gets another name in every database", async () => {
    await using db = await Changing.start();
    await db.change([item(title)]);
    await db.source`insert into items (title) values ('a')`;
    const renamed = defineEntity(pgTable("things", { ...idColumn, ...title, ...ownColumns }), {
      ...ownOptions,
      ...{ name: "item", plural: "items", replicas: { copy: {} } },
    });
    await db.change([renamed], { rename: "items=things" });
    await db.source`update things set title = 'b'`;
    expect(await db.newest()).toMatchObject({ title: "b", version: 2 });
    expect(await db.columns(db.copy, "things")).toContain("title text");
  });

  const refusal = (query: PromiseLike<unknown>): Promise<string> =>
    Promise.resolve(query).then(
      () => "accepted",
      (error: Error) => error.message,
    );
});

describe("children", () => {
  const orders = pgTable("orders", { id: integer().primaryKey(), customer: text().notNull() });
  const order = (more: Columns) => {
    const lines = pgTable(
      "order",
      {
        orderId: integer("order_id")
          .notNull()
          .references(() => orders.id, { onDelete: "cascade" }),
        line: integer().notNull(),
        sku: text().notNull(),
        ...(more as object),
      },
      (table) => [primaryKey({ columns: [table.orderId, table.line] })],
    );
    return defineEntity(aggregate(orders, { lines: child(lines as never, { parentKey: ["orderId"] as never }) }), {
      name: "order",
      replicas: { copy: {} },
    } as never) as EntityDeclaration;
  };

  test("a child table with a reserved name is created, changed and dropped", async () => {
    await using db = await Changing.start();
    await db.change([order({})]);
    await db.source`insert into orders values (1, 'c')`;
    await db.source`insert into "order" values (1, 1, 'cup')`;
    await db.change([order({ note: text().default("none") })]);
    expect(await db.newest()).toMatchObject({ lines: [{ sku: "cup", note: "none" }] });
    expect(await db.columns(db.copy, '"order"')).toContain("note text null");
    const { waiting } = await db.change([]);
    expect(waiting).toEqual([
      ...["source: order: end its capture", 'source: drop table "order"', "source: drop table orders"],
      ...[],
    ]);
  });
});

test("a table with a column of every type is created in both databases", async () => {
  await using db = await Changing.start();
  await db.source.unsafe("create domain posint as integer check (value > 0)");
  await db.change([everyType]);
  await db.source`insert into every_type (tenant, code) values (1, 'a')`;
  await db.source`insert into every_line (tenant, code, line) values (1, 'a', 1)`;
  expect(await db.newest()).toMatchObject({ tenant: 1, code: "a", twice: 2, lines: [{ line: 1 }] });
  expect(await db.columns(db.copy, "every_type")).toEqual(
    expect.arrayContaining(["code citext", "mood text null", "moods text[] null", "positive integer null"]),
  );
  expect(await db.columns(db.source, "every_type")).toEqual(
    expect.arrayContaining(["mood mood null", "positive posint null", "range int4range null"]),
  );
});

test("an enum type that adopt created in a replica gets new words there", () => {
  const mood = (...words: [string, ...string[]]) => item({ mood: pgEnum("mood", words)("mood") });
  const sql = "do $$ begin create type public.mood as enum ('sad'); end $$;\ncreate table items (";
  const migrations = {
    source: [{ name: "0001", sql: "select lockstep.capture('items', 'item');" }],
    replicas: { copy: [{ name: "copy/0001", sql }] },
  };
  const options = { renames: [], contract: false, recordOnly: false };
  const first = generate({ ...defineProject({ entities: [mood("sad")] }), migrations }, emptySnapshot, options);
  const second = generate({ ...defineProject({ entities: [mood("sad", "ok")] }), migrations }, first.snapshot, options);
  expect([...second.files.values()].join()).toContain("alter type public.mood add value if not exists 'ok';");
});

test("entities that people's migrations capture are recorded as they are", () => {
  const entity = item(title);
  const migrations = {
    source: [{ name: "0001-items", sql: "create table items (id uuid);\nselect lockstep.capture('items', 'item');" }],
    replicas: { copy: [{ name: "copy/0001-items", sql: "CREATE TABLE items (\n id uuid\n)" }] },
  };
  const project = { ...defineProject({ entities: [entity] }), migrations };
  const options = { renames: [], contract: false, recordOnly: false };
  const { files, found, snapshot } = generate(project, emptySnapshot, options);
  expect({ files: files.size, found }).toEqual({ files: 0, found: ["item"] });
  expect(snapshot.entities.item).not.toHaveProperty("adopted");
  const adopted = {
    ...migrations,
    source: [{ name: "0001", sql: "select lockstep.capture('public.items', 'item', '{}');" }],
  };
  const second = generate({ ...project, migrations: adopted }, emptySnapshot, options);
  expect(second.snapshot.entities.item).toMatchObject({ adopted: true });
  expect(second.snapshot.source.tables).toEqual({});
  const changed = { ...project, migrations: adopted, entities: [item({ ...title, note: text() })] };
  const third = generate(changed, second.snapshot, options);
  expect([...third.files.keys()]).toEqual(["copy/0002-items.sql"]);
});
