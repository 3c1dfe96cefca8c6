/** What all verbs have in common: flags, connections, output for people or as JSON, progress, exit status, a clean end by Ctrl-C. */
import { Command, InvalidArgumentError } from "commander";
import { UserError } from "../contracts/errors.ts";
import { createLogger } from "../observability/logger.ts";
import { readSettings, SettingsError } from "../platform/settings/settings.ts";
import { DEFAULT_DATA } from "../platform/stack-file.ts";
import { Connections, resolveAddresses } from "./connect.ts";

/** What every verb takes. */
export interface VerbFlags {
  readonly data: string;
  readonly json?: boolean;
}

export interface VerbContext {
  readonly connections: Connections;
  /** Says on stderr what is going on, on one line that is written over. Nothing with `--json`, or when stderr is no terminal. */
  readonly progress: (line: string) => void;
  /** Says something that stays, on stderr. */
  readonly print: (line: string) => void;
  /** Aborted by Ctrl-C: finish the step in hand and come back. */
  readonly signal: AbortSignal;
}

/** What a verb answers: for people, as JSON, and as exit status (0 all is well, 1 something is wrong or was found). */
export interface VerbResult {
  readonly text: string;
  readonly document: unknown;
  readonly status: 0 | 1;
}

/** Ended by Ctrl-C: 128 + SIGINT. */
const INTERRUPTED = 130;
/** What was asked for makes no sense. */
const USAGE = 2;

/** A verb with the flags that all have; more options, arguments and the action are added to it. */
export const verb = (name: string, description: string): Command =>
  new Command(name)
    .description(description)
    .option("--data <dir>", "folder of the stack that bun run up started", DEFAULT_DATA)
    .option("--json", "answer as JSON")
    .showHelpAfterError()
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : USAGE));

/** Runs a verb's work and ends the process with its exit status. */
export async function runVerb(flags: VerbFlags, work: (context: VerbContext) => Promise<VerbResult>): Promise<never> {
  const ending = new AbortController();
  process.on("SIGINT", () => {
    if (ending.signal.aborted) process.exit(INTERRUPTED);
    ending.abort(new Error("interrupted"));
  });
  const live = process.stderr.isTTY && !flags.json;
  const progress = (line: string) => void (live && process.stderr.write(`\r\u001b[K${line}`));
  const print = (line: string) => void (flags.json || console.error(`${live ? "\r\u001b[K" : ""}${line}`));
  try {
    const settings = readSettings(process.env);
    const logger = createLogger("operations", "1", settings.LOCKSTEP_LOG_LEVEL === "debug" ? "debug" : "error");
    await using connections = new Connections(resolveAddresses(settings, flags.data), logger);
    const { text, document, status } = await work({ connections, progress, print, signal: ending.signal });
    progress("");
    console.log(flags.json ? JSON.stringify(document, null, 2) : text);
    process.exitCode = ending.signal.aborted ? INTERRUPTED : status;
  } catch (error) {
    progress("");
    process.exitCode = ending.signal.aborted ? INTERRUPTED : statusOf(error);
    if (process.exitCode !== INTERRUPTED) console.error(`lockstep: ${explain(error)}`);
  }
  process.exit();
}

const statusOf = (error: unknown): number => (error instanceof SettingsError ? USAGE : 1);

/** Anything but what people can act on comes with its stack, since it is a mistake of ours. */
function explain(error: unknown): string {
  if (error instanceof UserError || error instanceof SettingsError) return error.message;
  const code = (error as { code?: unknown }).code;
  if (code === "ECONNREFUSED" || code === "CONNECT_TIMEOUT")
    return `a database does not answer: ${(error as Error).message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** A choice among names that are known. */
export const choiceParser =
  (what: string, names: readonly string[]) =>
  (given: string): string => {
    if (!names.includes(given))
      throw new InvalidArgumentError(`there is no ${what} ${given}; declared are: ${names.join(", ")}`);
    return given;
  };

/** A whole number from `min` to `max`. */
export const integerParser =
  (min: number, max: number) =>
  (given: string): number => {
    const value = Number(given);
    if (!/^\d{1,15}$/.test(given) || value < min || value > max)
      throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}`);
    return value;
  };
