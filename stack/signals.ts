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

/**
 * The processes that launched this one: `bun run`, and npx with the shell between them if npx started `bun run`. Their
 * own parents, such as a shell that put this command in the background, do not count.
 */
export function launchersOf(env: Readonly<Record<string, string | undefined>>): ProcessRef[] {
  if (env.npm_lifecycle_event === undefined) return [];
  const bunRun = process.ppid;
  const ancestors = [parentOf(bunRun), parentOf(parentOf(bunRun) ?? 0)].filter((pid) => pid !== undefined);
  const npx = ancestors.findIndex((pid) => /\b(npm exec|npx)\b/.test(commandOf(pid)));
  return [bunRun, ...ancestors.slice(0, npx + 1)].map((pid) => ({ pid, identity: identityOf(pid) }));
}
