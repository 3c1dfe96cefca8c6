import { expect, test } from "bun:test";
import { replicaNames } from "../../contracts/entities/index.ts";
import { migrationsOf } from "./index.ts";

test("each declared replica has the common migrations, then its own; another name says where to add them", () => {
  for (const name of replicaNames) {
    const names = migrationsOf(name).map((migration) => migration.name);
    expect(names[0]).toBe("0001-lockstep");
    expect(names.at(-1)).toStartWith(`${name}/`);
    expect(new Set(names).size).toBe(names.length);
  }
  expect(() => migrationsOf("nowhere")).toThrow(
    "replica nowhere has no migrations: make replicas/nowhere/migrations and name it here",
  );
});
