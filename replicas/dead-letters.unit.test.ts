import { expect, test } from "bun:test";
import { UpcastError } from "../contracts/entity/upcast.ts";
import { unreadable } from "./dead-letters.ts";

test("a letter about what no upcaster could read names the schema version and the place, and quotes nothing", () => {
  const cause = new SyntaxError('Unexpected token in "secret-canary"');
  const letter = unreadable(
    new UpcastError("product", 1, "the upcaster of version 1 threw a SyntaxError", { cause }),
    "catalog",
  );
  expect(letter).toMatchObject({ reason: "unreadable", replica: "catalog" });
  expect(letter.detail).toBe(
    "schema version 1 of product cannot be read: the upcaster of version 1 threw a SyntaxError",
  );
  expect(letter.stack).toContain("letters.unit.test.ts");
  expect(JSON.stringify(letter)).not.toContain("canary");
});
