import { expect, test } from "bun:test";
import { UpcastError } from "../contracts/entity/upcast.ts";
import { unappliableCause, unreadableCause } from "./dead-letters.ts";

test("the cause of a failed upcast names the schema version and the stack frames, and quotes no value", () => {
  const parserError = new SyntaxError('Unexpected token in "secret-canary"');
  const cause = unreadableCause(
    new UpcastError("product", 1, "the upcaster of version 1 threw a SyntaxError", { cause: parserError }),
    "catalog",
  );
  expect(cause).toMatchObject({ reason: "unreadable", replica: "catalog" });
  expect(cause.detail).toBe(
    "schema version 1 of product cannot be read: the upcaster of version 1 threw a SyntaxError",
  );
  expect(cause.stack).toContain("letters.unit.test.ts");
  expect(JSON.stringify(cause)).not.toContain("canary");
});

test("the cause of a record that is no event says which kind, and quotes nothing of it", () => {
  const causes = [new SyntaxError('Unexpected token in "secret-canary"'), new TypeError("secret-canary"), "canary"].map(
    (error) => unreadableCause(error, "catalog"),
  );
  expect(causes.map(({ detail }) => detail)).toEqual([
    "the value is not JSON (SyntaxError)",
    "the stream does not write such events (TypeError)",
    "the stream does not write such events (unknown)",
  ]);
  expect(JSON.stringify(causes)).not.toContain("canary");
});

test("P13: the cause of a rejected row names objects of the database, and quotes no value of class 22", () => {
  const names = { constraint: "positive", column: "", table: "products" };
  const detailOf = (code: string, message: string) =>
    unappliableCause({ code, message, names, raised: false }, "catalog").detail;
  expect(detailOf("22P02", 'invalid input syntax for type integer: "secret\n"canary""')).toBe(
    "SQLSTATE 22P02: invalid input syntax for type integer: …, constraint positive, table products",
  );
  expect(detailOf("23514", 'new row violates check "positive"')).toBe(
    'SQLSTATE 23514: new row violates check "positive", constraint positive, table products',
  );
});
