/** How a user stops a stack: the first signal stops it cleanly, the second one kills it. */
import { commandOf, identityOf, isRunning, type ProcessRef, parentOf } from "./processes.ts";

/** The stop requests that {@link listenForShutdown} reports. */
export interface Shutdown {
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP, by an uncaught error, or when a launcher has ended. */
  readonly stopSignal: AbortSignal;
  /** Aborted by the second signal. */
  readonly killSignal: AbortSignal;
  /** The first uncaught exception or unhandled rejection; undefined when there was none. */
  readonly uncaughtError: () => unknown;
}

const LAUNCHER_CHECK_MS = 1_000;

/**
 * Listens for signals and uncaught errors, and watches the launchers.
 *
 * @param launchers processes that a stack in the foreground must not outlive. `bun run` and npx pass no signal on when
 *   they are killed.
 */
export function listenForShutdown(launchers: readonly ProcessRef[]): Shutdown {
  const stop = new AbortController();
  const kill = new AbortController();
  const request = () => (stop.signal.aborted ? kill.abort() : stop.abort());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, request);
  let uncaughtError: unknown;
  // After an uncaught error the supervisor may be inconsistent, so it stops its processes.
  const fail = (error: unknown) => {
    uncaughtError ??= error;
    stop.abort();
  };
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  // This interval also keeps this process alive: its children and their pipes do not.
  setInterval(() => {
    if (!launchers.every(isRunning)) stop.abort();
  }, LAUNCHER_CHECK_MS);
  return { stopSignal: stop.signal, killSignal: kill.signal, uncaughtError: () => uncaughtError };
}

/** The command line of a process that starts a script of package.json, or this package's program for Node. */
const LAUNCHER = /\bbun(\.exe)? (\S+ )*run\b|\bnpm (exec|run|start|test)\b|\bnpx\b|\bnode\b.*\blockstep(\.js)?\b/;
/** npm and npx start a script with a shell between. */
const SHELL = /^(\S*\/)?(ba|da)?sh -c\b/;
/** npx, its shell, `bun run`, its shell, and the program for Node. */
const MAX_LAUNCHERS = 6;

/**
 * The processes that launched this one: `bun run`, npm or npx, and what is between. Their own parents, such as a shell
 * that put this command in the background, do not count.
 */
export function launchersOf(env: Readonly<Record<string, string | undefined>>): ProcessRef[] {
  if (env.npm_lifecycle_event === undefined) return [];
  const ancestors = [process.ppid];
  for (let pid = parentOf(process.ppid); pid !== undefined && ancestors.length < MAX_LAUNCHERS; pid = parentOf(pid)) {
    const command = commandOf(pid);
    if (!LAUNCHER.test(command) && !SHELL.test(command)) break;
    ancestors.push(pid);
  }
  const last = ancestors.findLastIndex((pid) => LAUNCHER.test(commandOf(pid)));
  return ancestors.slice(0, Math.max(1, last + 1)).map((pid) => ({ pid, identity: identityOf(pid) }));
}
