/** The ten mutants that a chaos run must find: `bun tests/mutants/run-chaos.ts`. */
import type { Mutant } from "./mutant.ts";
import { simulationMutants } from "./simulation.ts";

/** Mutants that only chaos runs. */
export const chaosMutants: readonly Mutant[] = [
  {
    name: "replica-without-version-guard",
    guard: "P3: a replica does not replace a version by an older one.",
    file: "replicas/migrations/0009-any-table.sql",
    from: "      where v.version < excluded.version or (v.version = excluded.version and v.id in (select unnest(lockstep_again)))\n",
    to: "",
    tests: [],
  },
  {
    name: "cache-without-fence",
    guard: "P7: from before a commit until the cache has its version, readers miss the entity in the cache.",
    file: "replicas/cache/fence.lua",
    from: "redis.call('DEL', unpack(KEYS, 2))\n",
    to: "",
    tests: [],
  },
  {
    name: "cache-without-epoch",
    guard: "P7: an entry of an earlier epoch does not count, since changes were applied without the cache.",
    file: "contracts/cache-entry.ts",
    from: " || raw.slice(0, first) !== String(epoch)",
    to: "",
    tests: [],
  },
  {
    name: "replica-forgets-tombstones",
    guard: "P4: a replica remembers the version of a deleted entity.",
    file: "replicas/migrations/0009-any-table.sql",
    from: "    get diagnostics lockstep_written = row_count;\n",
    to:
      "    get diagnostics lockstep_written = row_count;\n" +
      "    delete from %2$s as v where v.entity = %3$L and v.id = any (lockstep_gone);\n",
    tests: [],
  },
  {
    name: "stream-ignores-filters",
    guard: "P5: a replica gets a tombstone for an entity that its filter excludes.",
    file: "stream/route.ts",
    from: "!document || !replica.filter(document)",
    to: "!document",
    tests: [],
  },
  {
    name: "stream-without-dedupe",
    guard: "P2: the stream drops a version that it has routed before, and older ones.",
    file: "stream/dedupe.ts",
    from: "if (newest === undefined || version > newest) return",
    to: "if (newest === undefined || version > 0) return",
    tests: [],
  },
  {
    name: "replica-receipt-before-commit",
    guard: "P8: a replica confirms a version after its database has committed it.",
    file: "replicas/consume.ts",
    from: "    const applied = await applier.apply(changes).catch((error) => {\n",
    to:
      "    const times0 = { appliedMs: Date.now(), cachedMs: Date.now() };\n" +
      "    if (!this.entity.internal) receipts.add(receiptOf(this, { accepted: changes, unchanged: new Map() }, times0));\n" +
      "    const applied = await applier.apply(changes).catch((error) => {\n",
    tests: [],
  },
  {
    name: "replica-ignores-tokens",
    guard: "P8: a read waits until the replica has the version of its token.",
    file: "replicas/reads/fresh-reads.ts",
    from: "    if (!required) return found;\n",
    to: "    if (found) return found;\n",
    tests: [],
  },
];

/** Mutants of the simulation that chaos must find too. */
const shared = ["stream-writes-stored-outputs-again", "replica-commits-before-apply"];

/** All ten: no version guard, fence, epoch, read-back, tombstone, filter, dedupe or token; offset or receipt first. */
export const mutantsOfChaos: readonly Mutant[] = [
  ...chaosMutants,
  ...simulationMutants.filter(({ name }) => shared.includes(name)),
];
