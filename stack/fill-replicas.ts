/** After the start: sends the rows that a replica never got, such as a new one, by `lockstep fill`. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { programArguments } from "./program.ts";

/** Where and with what to fill. */
export interface FillOptions {
  /** Data folder of the stack. */
  readonly data: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Ends the run; the next start continues it. */
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

/** Longest wait for the check, in milliseconds. */
const CHECK_TIMEOUT_MS = 10_000;

/**
 * Sends each replica the rows that it was never sent, in the background. Prints a line when a replica lacks rows, and one
 * when it has them; nothing when none lacks any. Never fails: `lockstep fill` can be run again.
 *
 * @returns checked: resolves when it is known whether a replica lacks rows, or after 10 s.
 */
export function fillReplicas({ data, env, signal, print }: FillOptions): { readonly checked: Promise<void> } {
  const checked = Promise.withResolvers<void>();
  // The verbs would work on the system that this setting names.
  if (env.LOCKSTEP_SOURCE_DATABASE_URL || signal.aborted) return { checked: Promise.resolve() };
  const child = spawn(process.execPath, [...programArguments, "fill", "--quiet", "--data", data], {
    env: { ...env, PORT: undefined },
    stdio: ["ignore", "pipe", "pipe"],
    signal,
  });
  const timer = setTimeout(checked.resolve, CHECK_TIMEOUT_MS);
  for (const end of ["error", "close"] as const) child.once(end, () => checked.resolve());
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => {
      checked.resolve();
      if (line.trim() !== "" && !signal.aborted) print(line);
    });
  return { checked: checked.promise.finally(() => clearTimeout(timer)) };
}
