/**
 * `bun tests/mutants/run.ts [NAME…]`: plants each mutant, or those named, in a copy of the repository, and runs the
 * nearest tests. Ends with 1 when a mutant survives that is not said to be equivalent.
 */

import { RepositoryCopy } from "./copy.ts";
import { mutants } from "./index.ts";
import type { Mutant } from "./mutant.ts";

/** Generous: a mutant may make a test wait for its own limit. A test that does not end counts as failed. */
const TIMEOUT_MS = 300_000;

type Verdict = "killed" | "survived" | "equivalent";

function judge(copy: RepositoryCopy, mutant: Mutant): { verdict: Verdict; by: string } {
  const restore = copy.plant(mutant);
  try {
    const { exitCode, stderr } = Bun.spawnSync(
      [process.execPath, "test", "--bail", ...mutant.tests.map((path) => `./${path}`)],
      { cwd: copy.folder, timeout: TIMEOUT_MS },
    );
    if (exitCode === 0) return { verdict: mutant.equivalent ? "equivalent" : "survived", by: "" };
    const failed = /^\(fail\) (.*)$/m.exec(stderr.toString())?.[1];
    return { verdict: "killed", by: failed ?? "a test file that did not end, or could not be read" };
  } finally {
    restore();
  }
}

const named = process.argv.slice(2);
const unknown = named.filter((name) => !mutants.some((mutant) => mutant.name === name));
if (unknown.length > 0) {
  console.error(
    `there is no mutant ${unknown.join(", ")}; the mutants are: ${mutants.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
}
using copy = new RepositoryCopy();
const counts: Record<Verdict, number> = { killed: 0, survived: 0, equivalent: 0 };
for (const mutant of mutants) {
  if (mutant.tests.length === 0 || (named.length > 0 && !named.includes(mutant.name))) continue;
  const { verdict, by } = judge(copy, mutant);
  counts[verdict]++;
  console.log(`${verdict.padEnd(10)}  ${mutant.name}  ${by}`);
}
console.log(`${counts.killed} killed, ${counts.survived} survived, ${counts.equivalent} equivalent`);
process.exitCode = counts.survived > 0 ? 1 : 0;
