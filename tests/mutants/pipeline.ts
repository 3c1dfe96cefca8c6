/** Mutants of what several rooms share. */
import type { Mutant } from "./mutant.ts";

const openDeadLetters = "pipeline/open-dead-letters.unit.test.ts";

/** Guards of dead letters, topics and pauses. */
export const pipelineMutants: readonly Mutant[] = [
  {
    name: "pipeline-closed-letter-opens-again",
    guard: "P6: a dead letter that was closed does not open again when it was written twice.",
    file: "pipeline/open-dead-letters.ts",
    from: "if (this.closedNames.has(name) || this.byName.has(name)) return;",
    to: "if (this.byName.has(name)) return;",
    tests: [openDeadLetters],
  },
  {
    name: "pipeline-expires-other-topics",
    guard: "P6: retention in one dead-letter topic does not close the dead letters of another.",
    file: "pipeline/open-dead-letters.ts",
    from: "at.topic === topic && at.partition === partition && at.offset < first",
    to: "at.partition === partition && at.offset < first",
    tests: [openDeadLetters],
  },
  {
    name: "pipeline-one-forbidden-group-hides-missing-topics",
    guard: "P14: a service that may not see one group of topics still creates those of the others.",
    file: "pipeline/keep-topics.ts",
    from: `return missing.flatMap((result) => (result.status === "fulfilled" ? result.value : []));`,
    to: `return missing.flatMap((result) => {
      if (result.status === "rejected") throw result.reason;
      return result.value;
    });`,
    tests: ["pipeline/keep-topics.unit.test.ts"],
  },
  {
    name: "pipeline-pauses-every-service",
    guard: "P14: a command to pause reaches the named service only.",
    file: "pipeline/pause.ts",
    from: "if (record.key?.toString() === key) this.apply",
    to: "if (record.key) this.apply",
    tests: ["pipeline/pause.unit.test.ts"],
  },
];
