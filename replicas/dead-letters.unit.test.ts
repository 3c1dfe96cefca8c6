import { expect, test } from "bun:test";
import { UpcastError } from "../contracts/entity/upcast.ts";
import { unreadableCause } from "./dead-letters.ts";

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
