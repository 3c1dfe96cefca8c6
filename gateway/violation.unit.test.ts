import { expect, test } from "bun:test";
import { item } from "../tests/any-table/index.ts";
import type { Source } from "./source.ts";
import { ViolationFinder } from "./violation.ts";

/** A database that answers each statement with these rows, and counts. */
function answering(rows: () => object[]) {
  const counted = { statements: 0 };
  const query = async () => {
    counted.statements++;
    return rows();
  };
  return { counted, source: { query } as unknown as Pick<Source, "query"> };
}
const error = (code: string, more: object = {}) => Object.assign(new Error("x"), { code, severity: "ERROR", ...more });
const ofConstraint = { schema_name: "public", table_name: "items", constraint_name: "small_below_whole" };
const violation = { table: { schema: "public", name: "items" }, columns: ["small", "whole"] };

test("the columns of a constraint are asked once", async () => {
  const { counted, source } = answering(() => [{ schema: "public", name: "items", columns: ["small", "whole"] }]);
  const finder = new ViolationFinder(source, item);
  for (let i = 0; i < 3; i++) expect(await finder.find(error("23514", ofConstraint), {})).toEqual(violation);
  expect(counted.statements).toBe(1);
});

test("a column that the error names, and an error without a name, ask nothing", async () => {
  const { counted, source } = answering(() => []);
  const finder = new ViolationFinder(source, item);
  const named = error("23502", { schema_name: "public", table_name: "items", column_name: "code" });
  expect(await finder.find(named, {})).toEqual({ table: violation.table, columns: ["code"] });
  expect(await finder.find(error("P0001"), {})).toBeUndefined();
  expect(await finder.find(new Error("no error of the database"), {})).toBeUndefined();
  expect(counted.statements).toBe(0);
});

test("a database that does not answer leaves the write's own error as it is", async () => {
  const { source } = answering(() => {
    throw error("57014");
  });
  expect(await new ViolationFinder(source, item).find(error("22P02"), { small: "x" })).toBeUndefined();
});
