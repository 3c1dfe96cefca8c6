/**
 * What all verbs share: flags, connections, output as text or JSON, progress, exit status, and a clean end by Ctrl-C.
 */
import { Command, InvalidArgumentError } from "commander";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { type EntityId, ID_PATTERN } from "../contracts/entity/document.ts";
import { isKeyText, readKey } from "../contracts/entity/key.ts";
import { LockstepError, UserError } from "../contracts/errors.ts";
import type { Project } from "../contracts/project.ts";
import { createLogger } from "../observability/logger.ts";
import { readSettings, type Settings, SettingsError } from "../platform/settings/settings.ts";
import { DEFAULT_DATA } from "../platform/stack-file.ts";
import { Connections, resolveAddresses } from "./connect.ts";

/** Flags of every verb. */
export interface VerbFlags {
  readonly data: string;
  readonly json?: boolean;
}

/** What a running verb works with. */
export interface VerbContext {
  readonly connections: Connections;
  readonly project: Project;
  readonly settings: Settings;
  /**
   * Shows progress in one line of stderr, over the line before. Silent with `--json`, or when stderr is no terminal.
   */
  readonly progress: (line: string) => void;
  /** Prints a line to stderr that stays. Silent with `--json`. */
  readonly print: (line: string) => void;
  /** Aborted by Ctrl-C. The verb then finishes its current step and returns. */
  readonly signal: AbortSignal;
}

/** What a verb returns. */
export interface VerbResult {
  /** For people, on stdout. */
  readonly text: string;
  /** For programs, on stdout with `--json`. */
  readonly document: unknown;
  /**
   * Exit status: 0 without problems, 1 when the verb found a problem or could not finish, 3 when it found none and could
   * not check everything.
   */
  readonly status: 0 | 1 | 3;
}

/** Exit status after Ctrl-C: 128 + SIGINT. */
const EXIT_INTERRUPTED = 130;
/** Exit status for a wrong argument, flag or setting. */
const EXIT_USAGE = 2;

/**
 * Creates the command of a verb with the flags that all verbs have. The caller adds options, arguments and the action.
 */
export const verb = (name: string, description: string): Command =>
  new Command(name)
    .description(description)
    .option("--data <dir>", "data folder of the stack that `bun run up` started", DEFAULT_DATA)
    .option("--json", "print the result as JSON")
    .showHelpAfterError()
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_USAGE));

/**
 * Runs a verb's work, prints its result, and ends the process with its exit status. An error is printed to stderr and
 * ends the process with 1, or with 2 for a wrong setting. A second Ctrl-C ends the process at once.
 */
export async function runVerb(
  project: Project,
  flags: VerbFlags,
  work: (context: VerbContext) => Promise<VerbResult>,
): Promise<never> {
  const interrupt = new AbortController();
  const { signal } = interrupt;
  process.on("SIGINT", () => {
    if (signal.aborted) process.exit(EXIT_INTERRUPTED);
    interrupt.abort(new Error("interrupted"));
  });
  const isLive = process.stderr.isTTY && !flags.json;
  const progress = (line: string) => void (isLive && process.stderr.write(`\r\u001b[K${line}`));
  const print = (line: string) => void (flags.json || console.error(`${isLive ? "\r\u001b[K" : ""}${line}`));
  try {
    const settings = readSettings(process.env);
    const logger = createLogger("operations", "1", settings.LOCKSTEP_LOG_LEVEL === "debug" ? "debug" : "error");
    await using connections = new Connections(resolveAddresses(settings, flags.data, project), logger);
    const { text, document, status } = await work({ connections, project, settings, progress, print, signal });
    progress("");
    console.log(flags.json ? JSON.stringify(document, null, 2) : text);
    process.exitCode = signal.aborted ? EXIT_INTERRUPTED : status;
  } catch (error) {
    progress("");
    process.exitCode = signal.aborted ? EXIT_INTERRUPTED : exitStatusOf(error);
    if (process.exitCode !== EXIT_INTERRUPTED) console.error(`lockstep: ${messageOf(error)}`);
  }
  process.exit();
}

const exitStatusOf = (error: unknown): number => (error instanceof SettingsError ? EXIT_USAGE : 1);

/** The text of an error: without a stack trace when the user can act on it. Any other error is a bug, and has its own. */
export function messageOf(error: unknown): string {
  if (error instanceof UserError || error instanceof SettingsError) return error.message;
  const code = (error as { code?: unknown }).code;
  if (code === "ECONNREFUSED" || code === "CONNECT_TIMEOUT")
    return `a database is unavailable: ${(error as Error).message}; check that it runs, then run this command again`;
  if (!(error instanceof Error)) return String(error);
  // A server's answer, or a retry that has given up on it, such as a topic that does not exist.
  const isOfServer = error instanceof LockstepError || error.cause instanceof LockstepError;
  if (isOfServer) return `${error.message}; lockstep status shows what is missing or does not respond`;
  return error.stack ?? error.message;
}

/** Parses an argument that must be one of `names`. @param what names the kind of value in the error message. */
export const choiceParser =
  (what: string, names: readonly string[]) =>
  (value: string): string => {
    if (!names.includes(value))
      throw new InvalidArgumentError(`there is no ${what} ${value}; choose one of: ${names.join(", ")}`);
    return value;
  };

/** Parses the name of a declared entity. */
export const entityParser = ({ entities }: Pick<Project, "entities">) =>
  choiceParser(
    "entity",
    entities.map(({ name }) => name),
  );

/**
 * Parses the text of a key: `42`, `42,7`, a UUID. {@link readId} says whether an entity can have it.
 *
 * @returns the text, with a UUID in lower case.
 */
export function parseId(value: string): EntityId {
  if (!isKeyText(value))
    throw new InvalidArgumentError(
      "must be the values of the key in its order, joined by commas; in a value, write % as %25 and , as %2C",
    );
  return ID_PATTERN.test(value.toLowerCase()) ? value.toLowerCase() : value;
}

/** The id in its canonical form. @throws {UserError} when the entity cannot have it. */
export function readId(entity: EntityDeclaration, text: string): EntityId {
  const id = readKey(entity, text);
  if (id === undefined) throw new UserError(`${text} is no key of ${entity.name}`, "NO_KEY");
  return id;
}

/** Parses a whole number from `min` to `max`. */
export const integerParser =
  (min: number, max: number) =>
  (value: string): number => {
    const number = Number(value);
    if (!/^\d{1,15}$/.test(value) || number < min || number > max)
      throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}`);
    return number;
  };
