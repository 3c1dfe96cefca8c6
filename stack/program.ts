/** The program that runs Lockstep's commands: Bun with this package's lockstep.ts, or the standalone executable. */
import { join } from "node:path";

/** True in the executable that `bun build --compile` makes. Its own files have paths of a virtual file system. */
export const isExecutable = /^(\/\$bunfs\/|[A-Z]:[\\/]~BUN[\\/])/.test(import.meta.dirname);

/** Arguments of this process's program before those of a command: `[…, "gateway"]`. */
export const programArguments: readonly string[] = isExecutable ? [] : [join(import.meta.dirname, "../lockstep.ts")];

/** The executable has `up` and `down` as commands of their own; `status` is another command there. */
const SHORT = ["up", "down"];

/** A command of the stack as users type it: `bun run status`; with the executable `lockstep stack status`. */
export const commandText = (command: string): string =>
  isExecutable ? `lockstep ${SHORT.includes(command) ? "" : "stack "}${command}` : `bun run ${command}`;

/** The command that prints a development token and nothing else. */
export const tokenCommand = isExecutable ? "lockstep token" : "bun run --silent lockstep token";
