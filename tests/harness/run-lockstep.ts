/** `lockstep VERB` as an operator runs it. */
import type { Stack } from "./stack.ts";

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What `--json` printed; undefined when it printed none. */
  readonly document: Record<string, unknown> | undefined;
}

export async function runLockstep(stack: Stack, ...args: readonly string[]): Promise<CommandResult> {
  const child = Bun.spawn([process.execPath, "lockstep.ts", ...args, "--data", stack.data], {
    cwd: stack.root,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const isJson = args.includes("--json") && stdout.trimStart().startsWith("{");
  return { status, stdout, stderr, document: isJson ? JSON.parse(stdout) : undefined };
}
