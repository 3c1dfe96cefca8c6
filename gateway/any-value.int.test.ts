/** Values of all PostgreSQL types by HTTP: what is stored is, by PostgreSQL's own text, what SQL would have stored. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { defineProject } from "../contracts/project.ts";
import { declareValues } from "../tests/adoption/declare-values.ts";
import {
  createValueTable,
  documentBody,
  generateValues,
  insertValues,
  memberOf,
  readTexts,
  TEXT_SETTINGS,
  type ValueType,
  valueTable,
  valueTypes,
} from "../tests/adoption/values/values.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { type TestGateway, testGateway } from "../tests/harness/gateway.ts";
import { freshDatabase } from "../tests/harness/servers.ts";

/** Values of each type: all edges, and random ones. LOCKSTEP_TEST_VALUES=2000 tests as many as the other tests of values. */
const COUNT = Number(process.env.LOCKSTEP_TEST_VALUES ?? 60);
/** Writes in progress at the same time. */
const CONCURRENCY = 60;

const nameOf = (type: ValueType) => type.name.replaceAll("_", "-");
const entities = valueTypes.map(declareValues);
let gateway: TestGateway;
let expected: Sql;
let stored: Sql;
beforeAll(async () => {
  gateway = await testGateway({}, defineProject({ entities }));
  const connection = (url: string) => postgres(url, { max: 1, onnotice: () => {}, connection: TEXT_SETTINGS });
  expected = connection(await freshDatabase());
  stored = connection(gateway.databaseUrl);
  for (const type of valueTypes) {
    for (const sql of [expected, stored]) await createValueTable(sql, type);
    await stored`select lockstep.capture(${valueTable(type)}::text::regclass, ${nameOf(type)}, '{}'::text::jsonb)`;
  }
  const last = `/${valueTable(valueTypes.at(-1)!)}`;
  const isCaptured = () =>
    send("POST", last, '{"id":0,"value":null}').then(
      () => true,
      () => false,
    );
  await eventually(isCaptured, { timeoutMs: 30_000, what: "the gateway to notice that the tables are captured" });
  await send("DELETE", `${last}/0`);
}, 120_000);
afterAll(async () => {
  await Promise.all([expected?.end(), stored?.end()]);
  await gateway?.[Symbol.asyncDispose]();
});

/** Sends bodies that are JSON texts, because JavaScript's numbers would change some values. */
async function send(method: string, path: string, body?: string): Promise<string> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${gateway.url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} ${body}: ${response.status} ${text}`);
  return text;
}

async function forEach<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  for (let first = 0; first < items.length; first += CONCURRENCY)
    await Promise.all(items.slice(first, first + CONCURRENCY).map(work));
}

const memberIn = (document: string): string => /^\{"id":\d+,"value":(.*)\}$/s.exec(document)![1]!;

/** Writes each value in three ways: by POST, by PATCH, and as the gateway itself answers it. */
async function writeAll(type: ValueType, texts: readonly (string | null)[]): Promise<void> {
  const path = `/${valueTable(type)}`;
  await forEach([...texts.entries()], async ([i, text]) => {
    const [posted, patched, returned] = [3 * i + 1, 3 * i + 2, 3 * i + 3];
    await send("POST", path, documentBody(type, posted, text));
    await send("POST", path, documentBody(type, patched, null));
    // A merge patch leaves out the nulls in nested JSON, PUT does not.
    const method = i % 2 || type.type === "jsonb" ? "PUT" : "PATCH";
    await send(method, `${path}/${patched}`, `{"value":${memberOf(type, text)}}`);
    const answer = memberIn(await send("GET", `${path}/${posted}`));
    await send("POST", path, `{"id":${returned},"value":${answer}}`);
  });
}

describe.each(valueTypes.map((type) => [type.name, type] as const))("%s", (_, type) => {
  test("each value is stored by HTTP as by SQL", async () => {
    await insertValues(expected, type, generateValues(type, "http", COUNT));
    const texts = [...(await readTexts(expected, type)).values()];
    await writeAll(type, texts);
    const written = await readTexts(stored, type);
    const wrong = texts.flatMap((text, i) => {
      const found = [1, 2, 3].map((way) => written.get(3 * i + way));
      return found.every((each) => each === text) ? [] : [{ text, found }];
    });
    expect(wrong.slice(0, 3)).toEqual([]);
    expect(written.size).toBe(3 * COUNT);
  }, 120_000);
});
