import { expect, test } from "bun:test";
import { hasId, idOf, isBetween, keyOrder } from "./key-sql.ts";
import type { TableColumn } from "./table-columns.ts";

const column = (name: string, family: string, more: Partial<TableColumn> = {}): TableColumn => ({
  name,
  type: family,
  cast_to: `pg_catalog.${family}`,
  family,
  operators: null,
  is_enum: false,
  collation: null,
  form: "plain",
  ...more,
});
const order = column("order", "int4");
const sku = column("SKU", "text", { collation: 'pg_catalog."C"' });
const email = column("email", "citext", { cast_to: "ext.citext", operators: "ext" });

test("the id of a row is the text of its components, with escapes only where a type needs them", () => {
  expect(idOf([order], "t")).toBe('(t."order"::text) collate "C"');
  expect(idOf([order, sku], "t")).toBe(
    `(t."order"::text || ',' || coalesce(nullif(replace(replace(t."SKU"::text, '%', '%25'), ',', '%2C'), ''), '%00')) collate "C"`,
  );
  expect(idOf([column("n", "numeric")], "t")).toBe('(trim_scale(t."n")::text) collate "C"');
  expect(idOf([email], "t")).toContain('lower(t."email"::text collate "default")');
});

test("rows are found by the operators of the key's index", () => {
  expect(hasId([order], "t", "r.id")).toBe('t."order" = (r.id)::pg_catalog.int4');
  expect(hasId([sku], "t", "r.id")).toEndWith(' collate pg_catalog."C"');
  expect(hasId([order, email], "t", "r.id")).toBe(
    `t."order" = (split_part(r.id, ',', 1))::pg_catalog.int4 and t."email" operator("ext".=) ` +
      `(replace(replace(replace(split_part(r.id, ',', 2), '%00', ''), '%2C', ','), '%25', '%'))::ext.citext`,
  );
});

test("a range is a comparison of rows, and without limits it holds for every row", () => {
  expect(isBetween([order, sku], "t", { after: null, last: null }, 1)).toEqual({ sql: "true", parameters: [] });
  expect(isBetween([order, sku], "t", { after: "1,a%2Cb", last: "2,%00" }, 3)).toEqual({
    sql:
      '(t."order", t."SKU") > ($3::text::pg_catalog.int4, $4::text::pg_catalog.text) and ' +
      '(t."order", t."SKU") <= ($5::text::pg_catalog.int4, $6::text::pg_catalog.text)',
    parameters: ["1", "a,b", "2", ""],
  });
  expect(isBetween([order, email], "t", { after: null, last: "7,x" }, 1).sql).toBe(
    '((t."order" < $1::text::pg_catalog.int4) or ' +
      '(t."order" = $1::text::pg_catalog.int4 and t."email" operator("ext".<=) $2::text::ext.citext))',
  );
  expect(keyOrder([order, email], "t")).toBe('t."order", t."email"');
});
