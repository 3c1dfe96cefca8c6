import { expect, test } from "bun:test";
import { integer, jsonb, pgTable, text } from "./columns.ts";
import { defineEntity } from "./define-entity.ts";
import { rawNumber } from "./exact-json.ts";
import { mask } from "./mask.ts";
import { maskSettings, missingMaskKeys, requireMaskKeys, setMaskKeys } from "./mask-keys.ts";

const people = pgTable("people", {
  id: text().primaryKey(),
  email: text().notNull(),
  card: text(),
  age: integer().notNull(),
  more: jsonb(),
});
const declare = () =>
  defineEntity(people, {
    name: "person",
    private: ["email", "card"],
    rules: { email: (email) => email.min(5) },
    replicas: {
      masked: {
        mask: {
          email: mask.hash("PERSON_KEY"),
          card: mask.keepLast(4),
          age: (age, person) => (person.id === "young" ? 0 : Math.floor(age / 10) * 10),
          more: mask.omit,
        },
      },
    },
  });
const person = { id: "1", email: "ada@example.org", card: "4111111111111111", age: 36, more: { a: 1 } };

test("a mask replaces a value, also a private one, and null stays null", () => {
  const entity = declare();
  setMaskKeys([entity], () => "key");
  const [masked] = entity.replicas;
  const { email, ...others } = masked!.project(person);
  expect(others).toEqual({ id: "1", card: "************1111", age: 30 });
  expect(email).toBe(new Bun.CryptoHasher("sha256", "key").update("ada@example.org").digest("hex"));
  expect(masked!.project({ ...person, id: "young", card: null })).toMatchObject({ card: null, age: 0 });
});

test("the fields of masked members are texts, except where a function of the declaration keeps the type", () => {
  const { fields, unchanged } = declare().replicas[0]!;
  expect(Object.entries(fields).map(([member, { type }]) => `${member} ${type}`)).toEqual([
    "id text",
    "email text",
    "card text",
    "age integer",
  ]);
  expect(unchanged).toEqual(["id"]);
  expect(fields.email!.schema.safeParse("a".repeat(64)).success).toBe(true);
  expect([fields.email!.nullable, fields.card!.nullable]).toEqual([false, true]);
});

test("a hash without a key fails, and the error names the setting and the member", () => {
  const entity = declare();
  expect(maskSettings([entity])).toEqual(["PERSON_KEY"]);
  setMaskKeys([entity], () => undefined);
  expect(missingMaskKeys([entity])).toMatchObject([{ setting: "PERSON_KEY" }]);
  const message = "the setting PERSON_KEY has no value; person.email of the replica masked is masked with it";
  expect(() => requireMaskKeys([entity])).toThrow(message);
  expect(() => entity.replicas[0]!.project(person)).toThrow("give the setting PERSON_KEY a value");
  setMaskKeys([entity], (setting) => (setting === "PERSON_KEY" ? "key" : undefined));
  expect(() => requireMaskKeys([entity])).not.toThrow();
});

test("equal values have equal hashes, and other values and keys have others", () => {
  const hashed = (key: string, value: unknown) => {
    const entity = declare();
    setMaskKeys([entity], () => key);
    return entity.replicas[0]!.project({ ...person, email: value }).email;
  };
  expect(hashed("a", "x")).toBe(hashed("a", "x"));
  expect(new Set([hashed("a", "x"), hashed("b", "x"), hashed("a", "y"), hashed("a", rawNumber("1.50"))]).size).toBe(4);
});

test("keepLast counts characters, and hides shorter values whole or not at all", () => {
  const keep = (count: number, value: string) => mask.keepLast(count).apply(value, {});
  expect([keep(1, "a👍"), keep(0, "ab"), keep(9, "ab")]).toEqual(["*👍", "**", "ab"]);
  expect(() => mask.keepLast(-1)).toThrow("mask.keepLast: -1");
});
