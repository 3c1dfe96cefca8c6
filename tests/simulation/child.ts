/** Runs the simulation in a process of its own, since it replaces that process' clocks and timers. */
import { join } from "node:path";

/** What a run of the command printed. */
interface Ran {
  readonly exitCode: number;
  readonly output: string;
}

/** @param root the repository, or a copy of it with a mutant. @param args as on the command line. */
export async function runSimulation(args: readonly string[], root = join(import.meta.dirname, "../..")): Promise<Ran> {
  const child = Bun.spawn([process.execPath, "tests/simulation/main.ts", ...args], { cwd: root, stderr: "inherit" });
  const output = await new Response(child.stdout).text();
  return { exitCode: await child.exited, output };
}
