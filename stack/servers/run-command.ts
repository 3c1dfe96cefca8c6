/** Runs a command to its end. */
import { spawn } from "node:child_process";

/** Result of a finished command. */
export interface CommandResult {
  /** Exit status; 127 when the command could not be run, 1 when a signal ended it. */
  readonly status: number;
  /** The last 20,000 characters of standard output and standard error. */
  readonly output: string;
}

/** How {@link run} runs a command. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
  /** Text for standard input. */
  readonly input?: string;
  /** Aborting ends the command. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs a command and resolves when it has ended. Never rejects. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
  const { input = "", ...spawnOptions } = options;
  return new Promise((resolve) => {
    const child = spawn(command, [...args], { ...spawnOptions, stdio: ["pipe", "pipe", "pipe"] });
    let output = "";
    const append = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-20_000);
    };
    child.stdout.on("data", append);
    child.stderr.on("data", append);
    // A command may end without reading its whole input.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.once("error", () => resolve({ status: 127, output }));
    child.once("close", (status) => resolve({ status: status ?? 1, output }));
  });
}

/** The most useful line of a failed command's output: the first that mentions an error, otherwise the last one. */
export function errorLineOf(output: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colour codes start with a control character.
  const lines = output.replace(/\u001b\[[\d;]*m/g, "").split("\n");
  const printed = lines.filter((line) => /\w/.test(line));
  return (printed.find((line) => /\b(error|fatal)\b/i.test(line)) ?? printed.at(-1) ?? "no output")
    .trim()
    .slice(0, 400);
}
