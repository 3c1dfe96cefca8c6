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

/**
 * Resolves when each replica has been sent all rows. Prints a line when it begins to send the rows of an entity, and one
 * when the replicas have them; nothing when no replica lacks any. Never rejects: `lockstep fill` can be run again.
 */
export async function fillReplicas({ data, env, signal, print }: FillOptions): Promise<void> {
  // The verbs would work on the system that this setting names.
  if (env.LOCKSTEP_SOURCE_DATABASE_URL || signal.aborted) return;
  const child = spawn(process.execPath, [...programArguments, "fill", "--quiet", "--data", data], {
    env: { ...env, PORT: undefined },
    stdio: ["ignore", "pipe", "pipe"],
    signal,
  });
  const ended = new Promise<void>((settle) => {
    child.once("error", () => settle());
    child.once("close", () => settle());
  });
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => {
      if (line.trim() !== "" && !signal.aborted) print(line);
    });
  await ended;
}
