/** Mutants of the replicas' cache and reads. */
import type { Mutant } from "./mutant.ts";

/** Guards of the cache and of waiting reads. */
export const replicaReadMutants: readonly Mutant[] = [
  {
    name: "lease-counts-from-the-answer",
    guard: "P7: the lease on the epoch counts from the start of the query, not from its answer.",
    file: "replicas/cache/epoch.ts",
    from: "this.leasedUntil = startedAt + LEASE_MS;",
    to: "this.leasedUntil = performance.now() + LEASE_MS;",
    tests: ["replicas/cache/epoch.int.test.ts"],
  },
  {
    name: "no-wait-after-a-missed-epoch",
    guard: "P7: a process that missed an epoch which was on waits for the leases on it.",
    file: "replicas/cache/epoch.ts",
    from: "latest?.runId === null && read.previous === latest.epoch",
    to: "latest?.runId === null",
    tests: ["replicas/cache/epoch.int.test.ts"],
  },
  {
    name: "read-trusts-an-expired-lease",
    guard: "P7: a document that arrives after the end of the lease is not used.",
    file: "replicas/cache/cache.ts",
    from: '      if (!epochs.holds(epoch)) return { result: "bypass", why: "no-lease" };\n',
    to: "",
    tests: ["replicas/cache/cache.unit.test.ts"],
  },
  {
    name: "script-sent-to-two-servers",
    guard: "P7: a script whose connection led to another server meanwhile has an unknown result.",
    file: "replicas/cache/cache.ts",
    from: '    if (redis.writes.runId() !== epoch.runId) return "unknown";\n    return results',
    to: "    return results",
    tests: ["replicas/cache/cache.unit.test.ts"],
  },
  {
    name: "fence-after-an-unknown-result-unmarked",
    guard: "P7: the fence of a second attempt is not lifted by a failure, because the first may still be committed.",
    file: "replicas/cache/fence.lua",
    from: "fence .. (unknown_result and '!' or '')",
    to: "fence",
    tests: ["replicas/cache/protocol.int.test.ts"],
  },
  {
    name: "read-registers-after-its-query",
    guard: "P8: a read that waits misses no version that is applied during its first query.",
    file: "replicas/reads/freshness.ts",
    from: `    this.waiting.add(read);
    try {
      if ((await this.behind(required)).length === 0) return true;
`,
    to: `    try {
      if ((await this.behind(required)).length === 0) return true;
      this.waiting.add(read);
`,
    tests: ["replicas/reads/freshness.unit.test.ts"],
  },
  {
    name: "waiting-reads-unbounded",
    guard: "P14: only so many reads wait at the same time; more are answered 503.",
    file: "replicas/reads/freshness.ts",
    from: "if (this.waiting.size >= MAX_WAITING)",
    to: "if (false)",
    tests: ["replicas/reads/freshness.unit.test.ts"],
  },
  {
    name: "lease-beside-a-fence",
    guard: "P7: no reader leases an id while an apply of it is in progress.",
    file: "replicas/cache/lease.lua",
    from: "if redis.call('HEXISTS', KEYS[1], KEYS[2]) == 1 then",
    to: "if false then",
    tests: ["replicas/cache/protocol.int.test.ts"],
  },
  {
    name: "stored-beside-a-higher-fence",
    guard: "P7: nothing is stored while a newer version may be committed.",
    file: "replicas/cache/store.lua",
    from: "if found and #higher > 0 then",
    to: "if false then",
    tests: ["replicas/cache/protocol.int.test.ts"],
  },
  {
    name: "fences-of-others-lifted",
    guard: "P7: an applier lifts its own fence only.",
    file: "replicas/cache/lift.lua",
    from: "if found and #remaining > 0 then",
    to: "if false then",
    tests: ["replicas/cache/protocol.int.test.ts"],
  },
  {
    name: "scripts-run-without-an-epoch",
    guard: "P7: a server that has lost the epoch runs no script.",
    file: "replicas/cache/gate.lua",
    from: "if installed ~= ARGV[1] then",
    to: "if installed and installed ~= ARGV[1] then",
    tests: ["replicas/cache/protocol.int.test.ts"],
  },
  {
    name: "fences-of-an-old-epoch-stay",
    guard: "P7: a new epoch removes the fences of the old one, so that readers can fill the cache again.",
    file: "replicas/cache/install.lua",
    from: "redis.call('DEL', KEYS[1])\n",
    to: "",
    tests: ["replicas/cache/protocol.int.test.ts"],
  },
  {
    name: "new-epoch-switched-off",
    guard: "P14: an epoch that is still being installed does not count as lost.",
    file: "replicas/cache/cache-controller.ts",
    from: "    if (this.deps.epoch.isNew(epoch)) return;\n",
    to: "",
    tests: ["replicas/cache/cache-controller.unit.test.ts"],
  },
  {
    name: "older-document-stored",
    guard: "P7: the cache does not get a document that is older than the row.",
    file: "replicas/cache/cache-writer.ts",
    from: "(unchanged.get(id) ?? version) === version && !altered.has(id)",
    to: "!altered.has(id)",
    tests: ["replicas/cache/protocol.int.test.ts"],
  },
  {
    name: "row-read-before-the-lease",
    guard: "P7: the lease is taken before PostgreSQL is read.",
    file: "replicas/reads/lookup.ts",
    from: "    const lease = epoch && (await this.cache.lease(id, epoch));\n    try {\n      const entry = await this.rows.one(id);\n",
    to: "    const entry = await this.rows.one(id);\n    const lease = epoch && (await this.cache.lease(id, epoch));\n    try {\n",
    tests: ["replicas/cache/protocol.int.test.ts"],
  },
  {
    name: "version-of-another-entity",
    guard: "P8: a version of another entity with the same id does not count.",
    file: "replicas/reads/rows.ts",
    from: "and v.id = required.id\n          where coalesce",
    to: "and v.id = required.id or v.id = required.id\n          where coalesce",
    tests: ["replicas/reads/fresh-reads.int.test.ts"],
  },
];
