/** The generated values are values of their types, and their document forms lead to the same values. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { freshDatabase } from "../harness/servers.ts";
import {
  createValueTable,
  documentBody,
  generateValues,
  insertValues,
  JSON_NULL_MEMBER,
  memberOf,
  readTexts,
  TEXT_SETTINGS,
  type ValueType,
  valueTable,
  valueTypes,
} from "./values/values.ts";

const COUNT = 2_000;
const HTTP_FIRST_ID = 100_000;

let sql: Sql;
beforeAll(async () => {
  sql = postgres(await freshDatabase(), { max: 1, onnotice: () => {}, connection: TEXT_SETTINGS });
});
afterAll(() => sql.end());

/** PostgreSQL reads a document's member back. A text for json would become a JSON string, so it is cast. */
const readsMember = ({ type }: ValueType): string => {
  if (type === "json") return "(body->>'value')::json";
  if (type === "json[]") return "(json_populate_record(null::text_array_value, body)).value::text::json[]";
  if (type === "jsonb")
    return `case when body->>'value' = '${JSON_NULL_MEMBER}' then 'null'::jsonb else member.value end`;
  return "member.value";
};

async function insertDocuments(type: ValueType, bodies: readonly string[]): Promise<void> {
  await sql.unsafe(
    `insert into ${valueTable(type)} select (body->>'id')::integer, ${readsMember(type)}
     from unnest($1::text[]::json[]) body, json_populate_record(null::${valueTable(type)}, body) member`,
    [bodies as string[]],
  );
}

describe.each(valueTypes.map((type) => [type.name, type] as const))("%s", (_, type) => {
  test("values keep PostgreSQL's text by SQL literal, and by document", async () => {
    await sql`create table if not exists text_array_value (id integer, value text[])`;
    await createValueTable(sql, type);
    const values = generateValues(type, "values", COUNT);
    await insertValues(sql, type, values);
    const texts = await readTexts(sql, type);
    expect(texts.size).toBe(COUNT);
    await insertDocuments(
      type,
      [...texts].map(([id, text]) => documentBody(type, id + HTTP_FIRST_ID, text)),
    );
    const both = await readTexts(sql, type);
    const changed = [...texts].filter(([id, text]) => both.get(id + HTTP_FIRST_ID) !== text).slice(0, 3);
    expect(changed.map(([id, text]) => ({ text, document: both.get(id + HTTP_FIRST_ID) }))).toEqual([]);
  });
});

test("members have the forms that documents show", () => {
  const of = (name: string, text: string | null) => memberOf(valueTypes.find((type) => type.name === name)!, text);
  expect(of("jsonb", "null")).toBe(JSON_NULL_MEMBER);
  expect(of("jsonb", null)).toBe("null");
  expect(of("jsonb_array", '{"[1]",NULL}')).toBe('"{\\"[1]\\",NULL}"');
  expect(of("jsonb_array", "{1.0,NULL}")).toBe("[1.0,null]");
  expect(of("int8", "9007199254740993")).toBe('"9007199254740993"');
  expect(of("float8", "-0")).toBe('"-0"');
  expect(of("timestamptz_3", "2026-01-01 00:00:00.1+00")).toBe('"2026-01-01T00:00:00.100Z"');
  expect(of("timestamptz", "0044-03-15 12:00:00+00 BC")).toBe('"0044-03-15T12:00:00Z BC"');
  expect(of("text_array", "[0:0]={a}")).toBe('"[0:0]={a}"');
  expect(of("text_array", '{{a,NULL},{"",b}}')).toBe('[["a",null],["","b"]]');
});

test("one seed gives the same values", () => {
  for (const type of valueTypes) expect(generateValues(type, "a", 100)).toEqual(generateValues(type, "a", 100));
});
