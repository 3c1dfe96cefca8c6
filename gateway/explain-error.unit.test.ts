import { expect, test } from "bun:test";
import { product } from "../contracts/entities/product.ts";
import { RequestError } from "../contracts/errors.ts";
import { explainError } from "./explain-error.ts";

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
