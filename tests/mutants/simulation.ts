/** Mutants that only the simulation notices: tests/simulation/seeds.simulation.test.ts runs them. */
import type { Mutant } from "./mutant.ts";

/** Guards against what happens between two steps of a process, or of two processes. */
export const simulationMutants: readonly Mutant[] = [
  {
    name: "relay-without-read-back",
    guard: "P2: a relay that opens its writer reads which changes are stored, and does not send them again.",
    file: "relay/publisher.ts",
    from: "        if (id) this.storedChanges.add(id);",
    to: "",
    tests: [],
  },
  {
    name: "relay-saves-position-over-stored-changes",
    guard: "P2: positions do not advance while stored changes still have rows in the outbox.",
    file: "relay/publisher.ts",
    from: "    if (this.storedChanges.size > 0) return changed;",
    to: "",
    tests: [],
  },
  {
    name: "stream-remembers-before-outputs",
    guard: "P1: a version is remembered only after the outputs of its event are stored.",
    file: "stream/topology.ts",
    from: "    await spans.endAfter(writeOutputs(owned, decisions));\n",
    to: "    versions.remember(owned.key, changes, owned.advanceAfter(records.at(-1)!));\n    await spans.endAfter(writeOutputs(owned, decisions));\n",
    tests: [],
  },
  {
    name: "simulated-stream-checkpoint-with-live-ends",
    guard: "P2: a checkpoint that is saved later has the outputs' ends of its own time.",
    file: "stream/owned-partition.ts",
    from: "? { ...this.endOffsets } : readFrom;",
    to: "? this.endOffsets : readFrom;",
    tests: [],
  },
  {
    name: "stream-writes-stored-outputs-again",
    guard: "P2: an output that an earlier owner has stored is not written again.",
    file: "stream/write-outputs.ts",
    from: "      if (owned.isStored(topic, offset, record)) continue;\n",
    to: "",
    tests: [],
  },
  {
    name: "replica-skips-missing-records",
    guard: "P1: a database that went back reads the records again that its group has passed.",
    file: "replicas/catch-up/positions.ts",
    from: "return { from: Math.min(saved, to), to,",
    to: "return { from: to, to,",
    tests: [],
  },
  {
    name: "simulated-cache-without-fence",
    guard: "P7: no batch is applied before the cache has fenced its entities.",
    file: "replicas/cache/cache-writer.ts",
    from: "const result = await cache.fence(epoch, token, changes);",
    to: 'const result = "ok" as Awaited<ReturnType<Cache["fence"]>>;',
    tests: [],
  },
  {
    name: "simulated-token-ignored",
    guard: "P8: a read with a token waits until the replica has its version.",
    file: "replicas/reads/freshness.ts",
    from: "if ((await this.behind(required)).length === 0) return true;",
    to: "if ((await this.behind(required)).length >= 0) return true;",
    tests: [],
  },
];
