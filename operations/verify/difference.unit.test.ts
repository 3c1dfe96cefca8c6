/** What counts as a difference, and what a verification's result says. */
import { expect, test } from "bun:test";
import { integer, pgTable, text } from "../../contracts/entity/columns.ts";
import type { ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import { defineEntity } from "../../contracts/entity/define-entity.ts";
import { field } from "../../contracts/entity/derive.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { mask } from "../../contracts/entity/mask.ts";
import { productDocument } from "../../tests/harness/product-events.ts";
import { product } from "../../tests/project/index.ts";
import { type ComparedEntity, compareEntity } from "./difference.ts";
import { unknownMembers } from "./mask-keys.ts";
import { type VerifyResult, verdictOf } from "./verify.ts";

const [replica] = product.replicas;
const document = productDocument({ version: 3 });
const row = { version: 3, texts: ["Cup"], document };
const equal: ComparedEntity = {
  ...{ id: document.id as string, sourceRow: row, sourceVersion: 3 },
  ...{ replicaRow: row, heardVersion: 3 },
};
const kindOf = (more: Partial<ComparedEntity>) => {
  const found = compareEntity({ entity: product, replica: replica!, members: ["name"] }, { ...equal, ...more });
  return found && [found.kind, ...found.fields];
};

test("a replica that has the source's row, and has recorded its version, does not differ", () => {
  expect(kindOf({})).toBeUndefined();
  expect(kindOf({ sourceRow: null, replicaRow: null })).toBeUndefined();
});

test("a row that only one side has, an older version and another content differ", () => {
  expect(kindOf({ replicaRow: null })).toEqual(["missing"]);
  expect(kindOf({ sourceRow: null })).toEqual(["extra"]);
  expect(kindOf({ replicaRow: { ...row, version: 2 } })).toEqual(["stale"]);
  expect(kindOf({ replicaRow: { ...row, texts: ["Mug"] } })).toEqual(["altered", "name"]);
});

test("P11: a right row with another recorded version differs: the next event would be skipped, or an old one applied", () => {
  expect(kindOf({ heardVersion: 2 })).toEqual(["stale"]);
  expect(kindOf({ heardVersion: 4 })).toEqual(["altered", "version"]);
  // The same after a delete: the source's version is that of its tombstone.
  expect(kindOf({ sourceRow: null, replicaRow: null, heardVersion: 2 })).toEqual(["stale"]);
  // Without a record on one side there is nothing to compare.
  expect(kindOf({ sourceRow: null, replicaRow: null, heardVersion: null })).toBeUndefined();
});

test("P11: a replica that is behind or could not be read is unknown, never equal, and a difference is always said", () => {
  const compared: Pick<VerifyResult, "differences" | "behind" | "unknown" | "cache"> = {
    ...{ differences: [], behind: false, unknown: null, cache: "compared" },
  };
  const difference = compareEntity({ entity: product, replica: replica!, members: [] }, { ...equal, replicaRow: null });
  expect(verdictOf(compared)).toBe("equal");
  expect(verdictOf({ ...compared, cache: "left out" })).toBe("equal");
  expect(verdictOf({ ...compared, behind: true })).toBe("unknown");
  expect(verdictOf({ ...compared, unknown: "no table" })).toBe("unknown");
  expect(verdictOf({ ...compared, cache: "away" })).toBe("unknown");
  expect(verdictOf({ ...compared, behind: true, cache: "away", differences: [difference!] })).toBe("differs");
});

test("a member whose mask has no key here is not compared, and its result is unknown; other computed members are", () => {
  const person = defineEntity(
    pgTable("people", { id: integer().primaryKey(), email: text().notNull(), name: text().notNull() }),
    {
      name: "person",
      replicas: {
        copy: {
          mask: { email: mask.hash("NO_SUCH_KEY") },
          derive: { initial: field.text(({ name }) => name.slice(0, 1)) },
        },
      },
    },
  );
  const [copy] = person.replicas as [ReplicaDeclaration];
  const side = (document: Document) => ({ version: 1, texts: ["1", "Ada"], document });
  const source = side({ id: 1, email: "a@b.c", name: "Ada" });
  const compare = (actual: Document) =>
    compareEntity(
      { entity: person, replica: copy, members: ["id", "name"] },
      { id: "1", sourceRow: source, sourceVersion: 1, replicaRow: side(actual), heardVersion: 1 },
    );
  expect(compare({ id: 1, email: "any digest", name: "Ada", initial: "A" })).toBeUndefined();
  expect(compare({ id: 1, email: "any digest", name: "Ada", initial: "B" })?.fields).toEqual(["initial"]);
  expect(unknownMembers(copy)).toEqual(["email"]);
  const result = { differences: [], behind: false, unknown: null, cache: "compared", notCompared: ["email"] } as const;
  expect(verdictOf(result)).toBe("unknown");
});
