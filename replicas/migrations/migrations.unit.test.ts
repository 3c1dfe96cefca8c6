import { expect, test } from "bun:test";
import { project } from "../../tests/project/index.ts";
import { migrationsOf } from "./index.ts";

test("each declared replica has Lockstep's migrations, then its own", () => {
  for (const name of project.replicaNames) {
    const names = migrationsOf(project, name).map((migration) => migration.name);
    expect(names[0]).toBe("0001-lockstep");
    expect(names.at(-1)).toStartWith(`${name}/`);
    expect(new Set(names).size).toBe(names.length);
  }
});
