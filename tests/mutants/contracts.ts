/** Formats and rules that all rooms share, without one of their guards. */
import type { Mutant } from "./mutant.ts";

/** Mutants of the room `contracts`. */
export const contractsMutants: readonly Mutant[] = [
  {
    name: "resend-with-the-id-of-its-original",
    guard: "P11: a resend has another change id than the first event of its version.",
    file: "contracts/event.ts",
    from: "  of.resend ?",
    to: "  false ?",
    tests: ["relay/publisher.unit.test.ts"],
  },
  {
    name: "token-without-entity",
    guard: "P8: a token covers equal ids of two entities.",
    file: "contracts/sync-token.ts",
    from: "{entry.plural}:",
    to: "{entry.id}:",
    tests: ["contracts/sync-token.unit.test.ts"],
  },
  {
    name: "resend-superseded-by-its-own-version",
    guard: "P6: the dead letter of a resend stays open while the replica has the same version.",
    file: "contracts/dead-letter.ts",
    from: "return resent && replica !== undefined ? known > version : known >= version;",
    to: "return known >= version;",
    tests: ["contracts/dead-letter.unit.test.ts"],
  },
  {
    name: "cache-entry-of-any-epoch",
    guard: "P7: a cache entry of an earlier epoch is not read.",
    file: "contracts/cache-entry.ts",
    from: " || raw.slice(0, first) !== String(epoch)",
    to: "",
    tests: ["contracts/cache-entry.unit.test.ts"],
  },
  {
    name: "newer-delete-unreadable",
    guard: "P12: a delete of a newer schema version is readable, because it has no document.",
    file: "contracts/routed-event.ts",
    from: "if (projected && schemaVersion > entity.schemaVersion)",
    to: "if (schemaVersion > entity.schemaVersion)",
    tests: ["contracts/entity/upcast.unit.test.ts"],
  },
  {
    name: "projection-with-a-missing-member",
    guard: "P12: a projection that lacks a member of the replica is not applied.",
    file: "contracts/entity/upcast.ts",
    from: "if (upcasted[member] === undefined)",
    to: "if (false)",
    tests: ["contracts/entity/upcast.unit.test.ts"],
  },
  {
    name: "digest-beyond-64-bits",
    guard: "P6: a digest that PostgreSQL cannot store makes the record unreadable, not the whole batch.",
    file: "contracts/routed-event.ts",
    from: " && BigInt.asIntN(64, BigInt(text)) === BigInt(text)",
    to: "",
    tests: ["contracts/routed-event.unit.test.ts"],
  },
  {
    name: "rules-without-a-check",
    guard: "P6: the quick check runs the rules of a declaration, such as that of a list without equal items.",
    file: "contracts/entity/quick-check.ts",
    from: "return def.fn && ((value) => def.fn!(value) === true);",
    to: "return () => true;",
    tests: ["contracts/entity/quick-check.unit.test.ts"],
  },
];
