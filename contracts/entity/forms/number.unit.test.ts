import { expect, test } from "bun:test";
import { bigintForm } from "./number.ts";

test("a bigint beyond the safe integers is a text of digits, also when JavaScript can hold it", () => {
  const values = [9007199254740991, 9007199254741084, -9007199254741084, "9007199254740993"];
  expect(values.map(bigintForm.fromColumn)).toEqual([
    9007199254740991,
    "9007199254741084",
    "-9007199254741084",
    "9007199254740993",
  ]);
  for (const value of values.map(bigintForm.fromColumn)) expect(bigintForm.schema.safeParse(value).success).toBe(true);
});
