/** Runs the `lockstep` command as an operator does. */
import { join } from "node:path";
import type { Stack } from "./stack.ts";

/** Exit status and output of a command. */
export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The parsed output of `--json`; undefined without it, or when stdout holds no JSON object. */
  readonly document: Record<string, unknown> | undefined;
}

/** Starts `lockstep ARGS… --data FOLDER` against a stack, with the project of the tests. */
export const startLockstep = (stack: Stack, ...args: readonly string[]) =>
  Bun.spawn([process.execPath, "lockstep.ts", ...args, "--data", stack.data], {
    cwd: stack.root,
    env: { ...process.env, LOCKSTEP_CONFIG: join(stack.root, "tests/project/lockstep.config.ts") },
    stdout: "pipe",
    stderr: "pipe",
  });

/** Runs {@link startLockstep} to its end. */
export async function runLockstep(stack: Stack, ...args: readonly string[]): Promise<CommandResult> {
  const child = startLockstep(stack, ...args);
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const isJson = args.includes("--json") && stdout.trimStart().startsWith("{");
  return { status, stdout, stderr, document: isJson ? JSON.parse(stdout) : undefined };
}
