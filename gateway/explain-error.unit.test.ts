import { describe, expect, test } from "bun:test";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { RequestError } from "../contracts/errors.ts";
import { DatabaseUnavailableError } from "../platform/postgres/errors.ts";
import { anyTables, item, order } from "../tests/any-table/index.ts";
import { product } from "../tests/project/index.ts";
import { explainError, type FailedWrite, uncaptured } from "./explain-error.ts";

const error = (code: string, more: Record<string, unknown> = {}) =>
  Object.assign(new Error("the text"), { code, severity: "ERROR", routine: "elog", ...more });
const explained = (given: unknown) => {
  const result = explainError(given, product);
  return result instanceof RequestError ? [result.code, result.message] : undefined;
};

test("a rule is what RAISE or a policy reports, P0001, a failed foreign function, and a class that PostgreSQL lacks", () => {
  for (const code of ["P0001", "38000", "ZZ123", "45000", "LS999"])
    expect([code, explained(error(code))]).toEqual([code, ["REJECTED", "the text"]]);
  for (const code of ["42P01", "XX000", "40001", "57P01"])
    expect(explained(error(code, { routine: "exec_stmt_raise", hint: "the hint" }))).toEqual([
      "REJECTED",
      "the text (the hint)",
    ]);
  const policy = explained(error("42501", { routine: "ExecWithCheckOptions" }));
  expect(policy).toEqual(["REJECTED", "A policy of the database does not accept this row."]);
});

test("an error of PostgreSQL itself keeps its text to the log", () => {
  for (const code of ["42P01", "42501", "XX000", "0A000", "21000", "P0002", "55000", "2F003"])
    expect([code, explained(error(code))]).toEqual([code, undefined]);
  for (const code of ["22003", "23514", "54000", "25006", "53100"])
    expect(explained(error(code))?.[1]).not.toContain("the text");
});

test("a raised error of a class for values keeps the code of that class", () => {
  const raised = { routine: "exec_stmt_raise", constraint_name: "products_sku_key" };
  expect(explained(error("23505", raised))).toEqual(["CONFLICT", "the text"]);
  expect(explained(error("23514", raised))).toEqual(["INVALID", "the text"]);
});

test("P14: an unavailable database says whether the write may have happened, and what to do", () => {
  const messageOf = (given: unknown, hasKey = false) =>
    (explainError(given, product, { hasIdempotencyKey: hasKey }) as Error).message;
  const unchanged = "The database is unavailable or overloaded. Nothing was changed. Try again.";
  const unknown = "The database is unavailable or overloaded. It is not known whether the request was carried out. ";
  expect(messageOf(new DatabaseUnavailableError("silence", false))).toBe(unchanged);
  expect(messageOf(new DatabaseUnavailableError("silence", false), true)).toBe(unchanged);
  expect(messageOf(new DatabaseUnavailableError("silence", true))).toBe(
    `${unknown}Read the entity before you repeat the request.`,
  );
  expect(messageOf(new DatabaseUnavailableError("silence", true), true)).toBe(
    `${unknown}Repeat the request with the same Idempotency-Key.`,
  );
  expect(messageOf(error("25006", { routine: "PreventCommandIfReadOnly" }))).toBe(
    "The database is read-only. Nothing was changed. Try again.",
  );
});

test("values that a table does not accept, a taken value and a missing capture are said without the table's text", () => {
  expect(explained(error("22003"))).toEqual(["INVALID", "The database does not accept these values."]);
  expect(explained(error("23505", { constraint_name: "products_sku_key" }))).toEqual([
    "CONFLICT",
    "Another product already has this sku.",
  ]);
  expect(explained(error("23505", { constraint_name: "another" }))?.[1]).toBe(
    "Another product already has this value.",
  );
  const notCaptured = ["CAPTURE_INCOMPLETE", uncaptured(product).message];
  expect(explained(error("LS002", { routine: "exec_stmt_raise" }))).toEqual(notCaptured);
  expect(uncaptured(product).message).toBe(
    "The database does not capture changes of this product, so no replica would get them. Nothing was changed.",
  );
});

describe("an error that names a constraint", () => {
  const orderLines = { schema: "public", name: "order_lines" };
  const explain = (code: string, write: FailedWrite, of: EntityDeclaration = item, more = {}) => {
    const result = explainError(error(code, more), of, { entities: anyTables.entities, ...write });
    if (!(result instanceof RequestError)) return undefined;
    return [result.code, (result.details.violations ?? []).map(({ pointer }) => pointer)];
  };

  test("of the entity's own table names the members that have its columns", () => {
    const violation = (...columns: string[]) => ({ violation: { table: { name: "items" }, columns } });
    expect(explain("23514", violation("small", "whole"))).toEqual(["INVALID", ["/small", "/whole"]]);
    expect(explain("23505", violation("is_on"))).toEqual(["CONFLICT", ["/isOn"]]);
    expect(explain("23503", { kind: "insert", ...violation("category_id") })).toEqual(["INVALID", ["/category"]]);
    // The owner's own column, which is not declared.
    expect(explain("23514", violation("own"))).toEqual(["INVALID", []]);
  });

  test("of a domain names the only member of it", () => {
    expect(explain("23514", {}, item, { "data type_name": "postcode" })).toEqual(["INVALID", ["/zip"]]);
    expect(explain("23514", {}, item, { "data type_name": "another" })).toEqual(["INVALID", []]);
  });

  test("of a child's table points into the list", () => {
    const write = (columns: string[]): FailedWrite => ({
      kind: "insert",
      violation: { table: orderLines, columns },
      document: {
        lines: [
          { line: 1, item: "a" },
          { line: 2, item: "b" },
        ],
      },
    });
    const detail = "Schlüssel (item_id)=(b) ist nicht in Tabelle »items« vorhanden.";
    expect(explain("23503", write(["item_id"]), order, { detail })).toEqual(["INVALID", ["/lines/1/item"]]);
    expect(explain("23503", write(["item_id"]), order)).toEqual(["INVALID", ["/lines"]]);
    expect(explain("23514", write(["quantity"]), order)).toEqual(["INVALID", ["/lines"]]);
    expect(explain("23505", write(["order_number", "item_id"]), order)).toEqual(["CONFLICT", ["/lines"]]);
  });

  test("of another entity's table is a conflict at a delete; of a table that no entity has, the values are invalid", () => {
    const violation = { table: orderLines, columns: ["item_id"] };
    expect(explain("23001", { kind: "remove", violation })).toEqual(["CONFLICT", []]);
    const unknown = { table: { schema: "other", name: "order_lines" }, columns: ["item_id"] };
    expect(explain("23503", { kind: "remove", violation: unknown })).toEqual(["INVALID", []]);
  });
});

test("a statement that does not fit the table is 503, and one inside a trigger is not", () => {
  const drift = { position: "15", routine: "errorMissingColumn" };
  expect(explained(error("42703", drift))?.[0]).toBe("UNAVAILABLE");
  expect(explained(error("42703", { ...drift, where: "PL/pgSQL function own_trigger() line 3" }))).toBeUndefined();
});
