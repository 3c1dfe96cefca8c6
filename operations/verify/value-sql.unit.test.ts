import { expect, test } from "bun:test";
import type { TableColumn } from "./table-columns.ts";
import { hashedOf, jsonOf, textsOf } from "./value-sql.ts";

const column = (family: string, type = family, form: TableColumn["form"] = "plain"): TableColumn => ({
  ...{ name: "c", type, cast_to: family, family, operators: null, is_enum: false, collation: null, form },
});
const textsFor = (source: TableColumn, replica: TableColumn, inMilliseconds = false, hasScale = false) => {
  const { source: a, replica: b } = textsOf({ source, replica, inMilliseconds, hasScale }, "t");
  return [a, b];
};

test("columns of one type are compared by PostgreSQL's text, whatever the type is", () => {
  for (const type of ["int4", "numeric", "float8", "jsonb", "json", "bpchar", "interval", "_text", "hstore"])
    expect(textsFor(column(type), column(type))).toEqual(['t."c"::text', 't."c"::text']);
  const same = { source: column("float8"), replica: column("float8"), inMilliseconds: false, hasScale: false };
  expect(hashedOf(same, "t")).toEqual({ source: 't."c"', replica: 't."c"' });
});

test("numbers of different types are compared without zeros at the end", () => {
  expect(textsFor(column("int4"), column("numeric", "numeric(12,2)"))).toEqual([
    'trim_scale(t."c"::numeric)::text',
    'trim_scale(t."c"::numeric)::text',
  ]);
});

test("numbers with a declared scale are compared without the zeros of a column that has none", () => {
  const trimmed = 'trim_scale(t."c"::numeric)::text';
  const [free, fixed] = [column("numeric"), column("numeric", "numeric(14,4)")];
  expect(textsFor(free, free, false, true)).toEqual([trimmed, trimmed]);
  expect(textsFor(fixed, fixed, false, true)).toEqual(['t."c"::text', 't."c"::text']);
});

test("times are compared with the precision that the replica's column keeps", () => {
  const micros = column("timestamptz", "timestamp with time zone");
  const millis = column("timestamptz", "timestamp(3) with time zone");
  expect(textsFor(micros, micros)).toEqual(['t."c"::text', 't."c"::text']);
  expect(textsFor(micros, micros, true)).toEqual([`date_trunc('milliseconds', t."c")::text`, 't."c"::text']);
  expect(textsFor(micros, millis)[0]).toBe('(t."c")::timestamp(3) with time zone::text');
  expect(textsFor(micros, column("timestamp", "timestamp without time zone"))[0]).toBe(
    `((t."c" at time zone 'UTC'))::timestamp without time zone::text`,
  );
});

test("a json is compared with a jsonb by content", () => {
  expect(textsFor(column("json"), column("jsonb"))).toEqual(['t."c"::jsonb::text', 't."c"::jsonb::text']);
});

test("a column in a row as JSON loses nothing", () => {
  expect(jsonOf(column("int4"), false, "t")).toBe('t."c"');
  expect(jsonOf(column("float8", "float8", "text"), false, "t")).toBe('t."c"::text');
  expect(jsonOf(column("_int4", "integer[]", "array"), false, "t")).toContain("array_dims");
  expect(jsonOf(column("jsonb"), true, "t")).toContain("lockstep.jsonNull");
  expect(jsonOf(column("jsonb"), false, "t")).toBe('t."c"');
});
