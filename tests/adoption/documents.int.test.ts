/** Values of all PostgreSQL types become documents, and rows again, without a change of PostgreSQL's text. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { PgColumnBuilderBase } from "drizzle-orm/pg-core";
import postgres, { type Sql } from "postgres";
import * as columns from "../../contracts/entity/columns.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { defineEntity } from "../../contracts/entity/define-entity.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { parseDocument, parseRow } from "../../contracts/entity/parse.ts";
import { documentOf, orderMembers, rowOf } from "../../contracts/entity/row.ts";
import { documentSchema, quickDocumentCheck } from "../../contracts/entity/schemas.ts";
import { replicaTable } from "../../replicas/table.ts";
import { type ReplicaDatabase, replicaDatabase } from "../harness/replica.ts";
import {
  createValueTable,
  generateValues,
  insertValues,
  readTexts,
  TEXT_SETTINGS,
  type ValueType,
  valueTable,
  valueTypes,
} from "./values/values.ts";

const { pgDomain, pgEnum, pgTable, pgType } = columns;
const mood = pgEnum("value_mood", ["sad", "so so", 'very, very "happy"', "it's", "ünï😀", ""]);

/** Columns of Drizzle, by type. All other types are declared by their name. */
const native: Readonly<Record<string, () => PgColumnBuilderBase & { array(): PgColumnBuilderBase }>> = {
  text: () => columns.text(),
  "character varying": () => columns.varchar(),
  "character varying(10)": () => columns.varchar({ length: 10 }),
  "character(5)": () => columns.char({ length: 5 }),
  smallint: () => columns.smallint(),
  integer: () => columns.integer(),
  bigint: () => columns.bigint({ mode: "bigint" }),
  numeric: () => columns.numeric(),
  "numeric(12,2)": () => columns.numeric({ precision: 12, scale: 2 }),
  "numeric(38,18)": () => columns.numeric({ precision: 38, scale: 18 }),
  "numeric(3,-2)": () => columns.numeric({ precision: 3, scale: -2 }),
  "numeric(2,5)": () => columns.numeric({ precision: 2, scale: 5 }),
  real: () => columns.real(),
  "double precision": () => columns.doublePrecision(),
  date: () => columns.date(),
  "time without time zone": () => columns.time(),
  "time(3) without time zone": () => columns.time({ precision: 3 }),
  "time with time zone": () => columns.time({ withTimezone: true }),
  "timestamp without time zone": () => columns.timestamp(),
  "timestamp(0) without time zone": () => columns.timestamp({ precision: 0 }),
  "timestamp with time zone": () => columns.timestamp({ withTimezone: true }),
  "timestamp(3) with time zone": () => columns.timestamp({ withTimezone: true, precision: 3 }),
  interval: () => columns.interval(),
  boolean: () => columns.boolean(),
  uuid: () => columns.uuid(),
  json: () => columns.json(),
  jsonb: () => columns.jsonb(),
  inet: () => columns.inet(),
  value_mood: () => mood(),
  value_code: () => pgDomain("value_code", columns.varchar({ length: 20 })),
  value_small_percent: () => pgDomain("value_small_percent", columns.numeric({ precision: 5, scale: 2 })),
};

function columnOf(type: string): PgColumnBuilderBase {
  const element = type.replace(/\[\]$/, "");
  const column = native[element]?.() ?? pgType(element);
  return element === type ? column : column.array();
}

const declare = (type: ValueType) =>
  defineEntity(pgTable(valueTable(type), { id: columns.integer().primaryKey(), value: columnOf(type.type) }), {
    name: type.name.replaceAll("_", "-"),
    plural: valueTable(type),
    replicas: { copy: { table: { schema: "copy", name: valueTable(type) } } },
  });

const COUNT = 2_000;

let database: ReplicaDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await replicaDatabase("catalog");
  await database.sql`create schema copy`;
  sql = postgres(database.url, { max: 1, onnotice: () => {}, connection: TEXT_SETTINGS });
}, 120_000);
afterAll(async () => {
  await sql?.end();
  await database?.[Symbol.asyncDispose]();
});

/** Reads the rows of the entity's table in the form of capture, checks and returns their documents. */
async function readDocuments(entity: EntityDeclaration, count: number): Promise<Document[]> {
  const schema = documentSchema(entity);
  const passes = quickDocumentCheck(entity);
  const source = replicaTable(entity, { ...entity.replicas[0]!, table: entity.table });
  const { rows } = await source.readQueries(database.database);
  const captured = await sql.unsafe<{ text: string }[]>(`select to_jsonb(r)::text as text from (${rows}) as r`);
  expect(captured).toHaveLength(count);
  return captured.map(({ text }) => {
    const json = JSON.stringify(documentOf(entity, parseRow(entity, text)));
    const read = parseDocument(entity, json) as Document;
    const checked = schema.safeParse(read);
    if (!checked.success) throw new Error(`${text} is ${json}: ${checked.error.message}`);
    if (passes(read)) expect(checked.data).toEqual(read);
    expect(JSON.stringify(orderMembers(entity, read))).toBe(json);
    return read;
  });
}

/** Applies new documents to the table of the entity's only replica. */
async function applyTo(entity: EntityDeclaration, documents: readonly Document[]): Promise<void> {
  const [replica] = entity.replicas as [(typeof entity.replicas)[0]];
  const apply = await replicaTable(entity, replica).applyFunction(database.database);
  const list = (item: (document: Document) => unknown) => `{${documents.map((document) => String(item(document)))}}`;
  await sql.unsafe(
    `select * from lockstep."${apply}"($1::text::text[], $2::text::bigint[], $3::text::boolean[], $4::text::bigint[],
      $5::text::json, '{}', (select epoch from lockstep.cache_epoch), 'off')`,
    [
      list(({ id }) => id),
      list(() => 1),
      list(() => false),
      list(() => "NULL"),
      JSON.stringify(documents.map((document) => rowOf(replica, document))),
    ],
  );
}

describe.each(valueTypes.map((type) => [type.name, type] as const))("%s", (_, type) => {
  test("each value becomes a valid document, and the same value again", async () => {
    const table = valueTable(type);
    await createValueTable(sql, type);
    await insertValues(sql, type, generateValues(type, "documents", COUNT));
    await sql.unsafe(`create table copy.${table} (like ${table} including all)`);
    const entity = declare(type);
    const texts = await readTexts(sql, type);
    const documents = await readDocuments(entity, COUNT);
    await applyTo(entity, documents);
    const copies = new Map(
      (
        await sql.unsafe<{ id: number; text: string | null }[]>(`select id, value::text as text from copy.${table}`)
      ).map(({ id, text }) => [id, text]),
    );
    const changed = [...texts].filter(([id, text]) => copies.get(id) !== text).slice(0, 3);
    expect(changed.map(([id, text]) => ({ text, copy: copies.get(id), document: documents[id - 1] }))).toEqual([]);
  }, 60_000);
});

test("JSON's null in a column that is not null is null in the document, and JSON's null again", async () => {
  await sql`create table not_null (id integer primary key, value jsonb not null)`;
  await sql`create table copy.not_null (like not_null including all)`;
  const table = pgTable("not_null", { id: columns.integer().primaryKey(), value: columns.jsonb().notNull() });
  const entity = defineEntity(table, {
    name: "not-null",
    replicas: { copy: { table: { schema: "copy", name: "not_null" } } },
  });
  await sql`insert into not_null values (1, 'null')`;
  const [document] = await readDocuments(entity, 1);
  expect(document).toEqual({ id: 1, value: null });
  await applyTo(entity, [document!]);
  expect([...(await sql`select value::text as text from copy.not_null`)]).toEqual([{ text: "null" }]);
});
