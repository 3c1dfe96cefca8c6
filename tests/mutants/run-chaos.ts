/**
 * `bun tests/mutants/run-chaos.ts [NAME…] [-- FLAG…]`: plants each mutant of chaos, or those named, in a copy of the
 * repository, and runs chaos there until it finds a violation, with a new seed for each of at most 20 runs. The flags are
 * those of `bun run chaos`. Prints for each mutant the number of runs and the first violation of each checker. Ends with
 * 1 when a mutant is not found.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunSummary } from "../../chaos/report.ts";
import { mutantsOfChaos } from "./chaos.ts";
import { RepositoryCopy } from "./copy.ts";
import type { Mutant } from "./mutant.ts";

const MAX_RUNS = 20;
const DEFAULT_FLAGS = ["--seed", "1", "--seconds", "25"];

function runsOf(copy: RepositoryCopy, mutant: Mutant, flags: readonly string[]): readonly RunSummary[] {
  const restore = copy.plant(mutant);
  const folder = join(copy.folder, "evidence");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${mutant.name}.json`);
  try {
    const { exitCode, stdout, stderr } = Bun.spawnSync(
      [
        ...[process.execPath, "chaos/main.ts", ...DEFAULT_FLAGS, ...flags],
        ...["--runs", String(MAX_RUNS), "--json", file, "--keep", folder],
      ],
      { cwd: copy.folder },
    );
    if (exitCode !== 0 && exitCode !== 1) throw new Error(`chaos ended with ${exitCode}:\n${stdout}\n${stderr}`);
    return JSON.parse(readFileSync(file, "utf8")) as RunSummary[];
  } finally {
    restore();
  }
}

const args = process.argv.slice(2);
const separator = args.indexOf("--");
const named = separator < 0 ? args : args.slice(0, separator);
const flags = separator < 0 ? [] : args.slice(separator + 1);
const unknown = named.filter((name) => !mutantsOfChaos.some((mutant) => mutant.name === name));
if (unknown.length > 0) {
  console.error(
    `chaos has no mutant ${unknown.join(", ")}; it has: ${mutantsOfChaos.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
}
let missed = 0;
for (const mutant of mutantsOfChaos) {
  if (named.length > 0 && !named.includes(mutant.name)) continue;
  using copy = new RepositoryCopy();
  const runs = runsOf(copy, mutant, flags);
  const violations = runs.at(-1)?.violations ?? [];
  if (violations.length === 0) missed++;
  console.log(
    `${mutant.name}  ${violations.length > 0 ? `found in run ${runs.length}` : `not found in ${runs.length} runs`}`,
  );
  // The first violation of each checker: the others are of the same kind.
  for (const [first] of Map.groupBy(violations, ({ checker }) => checker).values())
    console.log(`    ${first!.promise} (${first!.checker}): ${first!.sentence}`);
}
process.exitCode = missed > 0 ? 1 : 0;
