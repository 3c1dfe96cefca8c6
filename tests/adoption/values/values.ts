/**
 * Values of all PostgreSQL types, for tests that a value arrives unchanged: as SQL literals, and in the form that a
 * document shows. Nothing here uses the product's own code.
 */
import type { Sql } from "postgres";
import { seededRandom } from "../../../chaos/random.ts";
import { literal } from "../operations/operation.ts";
import { scalars } from "./scalars.ts";
import { structures } from "./structures.ts";
import type { Form, ValueType } from "./value-type.ts";

export type { ValueType } from "./value-type.ts";

export const valueTypes: readonly ValueType[] = [...scalars, ...structures];

/** Stands for the JSON value null of a jsonb column, because a document's null is SQL's NULL. */
export const JSON_NULL_MEMBER = '{"lockstep.jsonNull":true}';

/** Settings of a session that reads or makes texts. */
export const TEXT_SETTINGS = {
  TimeZone: "UTC",
  DateStyle: "ISO, MDY",
  IntervalStyle: "postgres",
  extra_float_digits: "1",
  bytea_output: "hex",
} as const;

const NULL_SHARE = 0.03;

/** Input texts of a type: NULL, all edges, then random ones. One seed gives the same texts. */
export function generateValues(type: ValueType, seed: string, count = 2_000): readonly (string | null)[] {
  const random = seededRandom(`${seed}/${type.name}`);
  const first = [null, ...type.edges].slice(0, count);
  const rest = Array.from({ length: count - first.length }, () =>
    random.chance(NULL_SHARE) ? null : type.random(random),
  );
  return [...first, ...rest];
}

/** Name of the table for a type. */
export const valueTable = (type: ValueType): string => `value_${type.name}`;

/** Creates the table of a type, and the type: columns `id integer` (the key) and `value`. */
export async function createValueTable(sql: Sql, type: ValueType): Promise<void> {
  if (type.setup) await sql.unsafe(`${idempotent(type.setup)}`).simple();
  await sql.unsafe(`create table ${valueTable(type)} (id integer primary key, value ${type.type})`);
}

/** A type is shared with its arrays. */
const idempotent = (setup: string): string =>
  setup.startsWith("create extension")
    ? setup
    : `do $setup$ begin ${setup}; exception when duplicate_object then null; end $setup$`;

/** Inserts the texts as SQL literals. The first row has the id `firstId`. */
export async function insertValues(
  sql: Sql,
  type: ValueType,
  values: readonly (string | null)[],
  firstId = 1,
): Promise<void> {
  const BATCH = 100;
  for (let start = 0; start < values.length; start += BATCH) {
    const rows = values
      .slice(start, start + BATCH)
      .map((value, i) => `(${firstId + start + i}, ${value === null ? "null" : literal(value)}::${type.type})`);
    await sql.unsafe(`insert into ${valueTable(type)} (id, value) values ${rows.join(", ")}`).simple();
  }
}

/** PostgreSQL's texts of the rows by their ids. The connection needs {@link TEXT_SETTINGS}. */
export async function readTexts(sql: Sql, type: ValueType): Promise<ReadonlyMap<number, string | null>> {
  const rows = await sql.unsafe<{ id: number; text: string | null }[]>(
    `select id, value::text as text from ${valueTable(type)} order by id`,
  );
  return new Map(rows.map(({ id, text }) => [id, text]));
}

/**
 * The JSON text of a document's member.
 *
 * @param text PostgreSQL's text of the value, as {@link readTexts} returns it.
 */
export function memberOf(type: ValueType, text: string | null): string {
  if (text === null) return "null";
  if (!type.isArray) return scalarOf(type.form, text);
  // Other lower bounds than 1 stand in front of the braces.
  if (text.startsWith("[")) return JSON.stringify(text);
  const { json, isAmbiguous } = arrayMember(text, type.form);
  return isAmbiguous ? JSON.stringify(text) : json;
}

function scalarOf(form: Form, text: string): string {
  switch (form) {
    case "jsonb":
      return text === "null" ? JSON_NULL_MEMBER : text;
    case "number":
      return text;
    case "int8":
      return Number.isSafeInteger(Number(text)) ? text : JSON.stringify(text);
    case "float":
      return /^(-?Infinity|NaN|-0)$/.test(text) ? JSON.stringify(text) : text;
    case "boolean":
      return text.startsWith("t") ? "true" : "false";
    case "iso":
      return JSON.stringify(isoOf(text));
    case "milliseconds":
      return JSON.stringify(millisecondsOf(text));
    case "text":
      return JSON.stringify(text);
    default:
      return form satisfies never;
  }
}

/** A timestamp with `T`, and with `Z` if it has a zone, which is UTC in the sessions that make these texts. */
const isoOf = (text: string): string => text.replace(/^(\d+-\d\d-\d\d) /, "$1T").replace(/\+00( BC)?$/, "Z$1");

/** ISO 8601 in UTC with three digits. Infinity and years before Christ keep PostgreSQL's text. */
function millisecondsOf(text: string): string {
  const parts = /^(\d+-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?\+00$/.exec(text);
  return parts ? `${parts[1]}T${parts[2]}.${(parts[3] ?? "").padEnd(3, "0")}Z` : text;
}

/**
 * A PostgreSQL array literal without bounds as JSON. It is ambiguous when an element of type jsonb is an array or null:
 * then it looks like an array of more dimensions, or like SQL's NULL.
 */
function arrayMember(text: string, form: Form): { json: string; isAmbiguous: boolean } {
  let json = "";
  let isAmbiguous = false;
  for (let i = 0; i < text.length; ) {
    const character = text[i]!;
    if (character === "{" || character === "}" || character === ",") {
      json += { "{": "[", "}": "]", ",": "," }[character];
      i++;
      continue;
    }
    const isQuoted = character === '"';
    const end = isQuoted ? closingQuote(text, i) : i + text.slice(i).search(/[,}]/);
    const element = isQuoted ? text.slice(i + 1, end).replace(/\\([\s\S])/g, "$1") : text.slice(i, end);
    isAmbiguous ||= form === "jsonb" && (element.startsWith("[") || element === "null");
    json += !isQuoted && element === "NULL" ? "null" : scalarOf(form, element);
    i = isQuoted ? end + 1 : end;
  }
  return { json, isAmbiguous };
}

function closingQuote(text: string, opening: number): number {
  let i = opening + 1;
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i;
}

/**
 * The body of an HTTP write for one row. Built as text, because JavaScript's numbers would change some values.
 *
 * @param id the row's key.
 * @param text PostgreSQL's text of the value.
 */
export const documentBody = (type: ValueType, id: number, text: string | null): string =>
  `{"id":${id},"value":${memberOf(type, text)}}`;
