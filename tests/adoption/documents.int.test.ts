/** Values of all PostgreSQL types become documents, and rows again, without a change of PostgreSQL's text. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
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
import { declareValues } from "./declare-values.ts";
import {
  createValueTable,
  generateValues,
  insertValues,
  readTexts,
  TEXT_SETTINGS,
  valueTable,
  valueTypes,
} from "./values/values.ts";

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
    const entity = declareValues(type);
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
  const table = columns.pgTable("not_null", { id: columns.integer().primaryKey(), value: columns.jsonb().notNull() });
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
