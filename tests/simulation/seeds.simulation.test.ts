/** 10,000 seeds break no promise, and each mutant is found within 5,000. */
import { expect, test } from "bun:test";
import { RepositoryCopy } from "../mutants/copy.ts";
import { simulationMutants } from "../mutants/simulation.ts";
import { runSimulation } from "./child.ts";

const SEEDS = Number(process.env.TEST_SEEDS ?? 10_000);
/** Most seeds until a mutant is found. */
const MUTANT_SEEDS = 4_999;

test(`P1 to P9: ${SEEDS} seeds break no promise`, async () => {
  const half = Math.ceil(SEEDS / 2);
  const runs = await Promise.all(
    [1, 1 + half].map((from) => runSimulation(["--from", `${from}`, "--seeds", `${half}`])),
  );
  for (const { output, exitCode } of runs) {
    console.log(output.trim());
    expect(exitCode).toBe(0);
  }
});

test.each(simulationMutants.map((mutant) => [mutant.name, mutant] as const))(
  "the mutant %s is found",
  async (_, mutant) => {
    using copy = new RepositoryCopy();
    copy.plant(mutant);
    const { exitCode, output } = await runSimulation(["--seeds", `${MUTANT_SEEDS}`, "--until-failure"], copy.folder);
    console.log(output.split("\n").at(-2));
    expect(exitCode).toBe(1);
    // It broke a promise, and did not fail to start.
    expect(output).toContain("repeat it: bun run simulate --seed ");
  },
);
