/** Mutants of the stream. */
import type { Mutant } from "./mutant.ts";

const topology = "stream/topology.unit.test.ts";
const replacedInput = "stream/replaced-input.unit.test.ts";
const lostRecords = "stream/lost-records.unit.test.ts";
const assigned = "stream/assigned-partitions.unit.test.ts";
const watch = "stream/partition-watch.unit.test.ts";
const versionStore = "stream/version-store.unit.test.ts";

/** Guards of ownership, versions and losses. */
export const streamMutants: readonly Mutant[] = [
  {
    name: "stream-flushed-marks-newer-change",
    guard: "P1: a change that comes during a flush stays unflushed.",
    file: "stream/version-store.ts",
    from: "if (pending.changes.get(id) === known) pending.changes.delete(id);",
    to: "if (known) pending.changes.delete(id);",
    tests: [versionStore],
  },
  {
    name: "stream-flush-covers-later-change",
    guard: "P1: a change that comes during a flush belongs to the next one, also after a crash.",
    file: "stream/version-store.ts",
    from: "return { flush: pending.flush++, changes",
    to: "return { flush: pending.flush, changes",
    tests: [versionStore],
  },
  {
    name: "stream-processes-outdated-batch",
    guard: "P1: a batch of the old input is not processed after a takeover found another input.",
    file: "stream/topology.ts",
    from: "if (batch.isCurrent?.() === false) return;",
    to: "",
    tests: [replacedInput],
  },
  {
    name: "stream-keeps-partition-after-failed-write",
    guard: "P2: after a failed batch the partition is taken over again, because some outputs may be stored.",
    file: "stream/topology.ts",
    from: "      await owner.release();\n      throw error;",
    to: "      throw error;",
    tests: [topology],
  },
  {
    name: "stream-checkpoint-without-generation",
    guard: "P1: a checkpoint of the new input is further than one of the input that it replaced.",
    file: "stream/checkpoint.ts",
    from: "  (a.generation ?? 0) > (b.generation ?? 0) ||\n",
    to: "",
    tests: [replacedInput],
  },
  {
    name: "stream-forgets-reassigned-partition",
    guard: "P9: a failed creation does not remove the partition that was assigned again meanwhile.",
    file: "stream/assigned-partitions.ts",
    from: "if (this.partitions.get(key) === created) this.partitions.delete(key);",
    to: "this.partitions.delete(key);",
    tests: [assigned],
  },
  {
    name: "stream-processes-before-takeover-again",
    guard: "P1: after an interruption the partition is taken over again before its next batch.",
    file: "stream/assigned-partitions.ts",
    from: "      await this.renewIfInterrupted(batch, owner);\n",
    to: "",
    tests: [replacedInput],
  },
  {
    name: "stream-takes-over-revoked-partition",
    guard: "P9: a takeover that waited does not fence the instance that owns the partition now.",
    file: "stream/assigned-partitions.ts",
    from: "if (isAssigned()) await attempt(partition);",
    to: "await attempt(partition);",
    tests: [assigned],
  },
  {
    name: "stream-takeover-without-flush",
    guard: "P4: changes that were not flushed before a crash are flushed without another event.",
    file: "stream/partition-owner.ts",
    from: "    this.scheduleFlush();\n    return this.owned;",
    to: "    return this.owned;",
    tests: ["stream/partition-owner.unit.test.ts"],
  },
  {
    name: "stream-conflict-proves-absence",
    guard: "P5: two decisions about one version prove nothing about a replica.",
    file: "stream/version-store.ts",
    from: "else conflicts.set(id, { version, absent: [] });",
    to: "else conflicts.set(id, { version, absent });",
    tests: [versionStore],
  },
  {
    name: "stream-reuses-flush-number",
    guard: "P1: changes after a restart have a later flush number than those of an unfinished flush.",
    file: "stream/version-store.ts",
    from: "const flush = Math.max(flushed, last ?? 0) + 1;",
    to: "const flush = flushed + 1;",
    tests: [versionStore],
  },
  {
    name: "stream-losses-never-cleared",
    guard: "P14: a loss is not reported after an operator has sent its rows again.",
    file: "stream/partition-watch.ts",
    from: "isRelevant(topic) && atMs > this.clearedUntilMs",
    to: "isRelevant(topic) && atMs > 0",
    tests: [watch],
  },
  {
    name: "stream-ignores-dead-writer",
    guard: "P1: a partition whose writer is dead is taken over again without another event.",
    file: "stream/partition-watch.ts",
    from: "const found = new Set(owned.filter(({ isOpen }) => !isOpen));",
    to: "const found = new Set<OwnedPartition>();",
    tests: [watch],
  },
  {
    name: "stream-filter-error-stops-partition",
    guard: "P6: an event whose filter throws becomes a dead letter, and the next one follows.",
    file: "stream/decide.ts",
    from: "return rejectRecord(context, record, internalRejection(error));",
    to: "throw error;",
    tests: ["stream/decide.unit.test.ts"],
  },
  {
    name: "stream-rewrite-resumes-nowhere",
    guard: "P4: a crash while the versions topic is written again repeats the rewrite.",
    file: "stream/take-over.ts",
    from: "  save(Number.MAX_SAFE_INTEGER);\n",
    to: "",
    tests: [lostRecords],
  },
];
