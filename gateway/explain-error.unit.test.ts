import { expect, test } from "bun:test";
import { RequestError } from "../contracts/errors.ts";
import { DatabaseUnavailableError } from "../platform/postgres/errors.ts";
import { product } from "../tests/project/index.ts";
import { explainError, uncaptured } from "./explain-error.ts";

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
