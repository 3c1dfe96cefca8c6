/** How a person ends a stack: once politely, twice at once. */
import { commandOf, identityOf, type KnownProcess, parentOf, stillRuns } from "./processes.ts";

export interface Endings {
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP, or when whoever started us is gone. */
  readonly ending: AbortSignal;
  /** Aborted by the second. */
  readonly killing: AbortSignal;
  /** What made us end, when it was a mistake of ours: an exception that nobody waited for. */
  readonly mistake: () => unknown;
}

const LAUNCHERS_LOOKED_AFTER_MS = 1_000;

/**
 * Listens for the end.
 *
 * @param launchers processes without which a stack in the foreground must not live on: killed hard, or told to end as npm
 *   is, they pass no signal on to us.
 */
export function listenForEnd(launchers: readonly KnownProcess[]): Endings {
  const ending = new AbortController();
  const killing = new AbortController();
  const end = () => (ending.signal.aborted ? killing.abort() : ending.abort());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
  let mistake: unknown;
  const fail = (error: unknown) => {
    mistake ??= error;
    if (!ending.signal.aborted) end();
  };
  // A supervisor that is not whole stops what it started rather than leave it alone.
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  // Also what keeps this process alive: its children and their pipes do not.
  setInterval(() => {
    if (!ending.signal.aborted && !launchers.every(stillRuns)) end();
  }, LAUNCHERS_LOOKED_AFTER_MS);
  return { ending: ending.signal, killing: killing.signal, mistake: () => mistake };
}

/**
 * `bun run`, when it started us, and `npx` with the shell that it puts between, when that started `bun run`. Anything else
 * before them, such as a shell that put us in the background, may end as it likes.
 */
export function launchersOf(env: Readonly<Record<string, string | undefined>>): KnownProcess[] {
  if (env.npm_lifecycle_event === undefined) return [];
  const bunRun = process.ppid;
  const above = [parentOf(bunRun), parentOf(parentOf(bunRun) ?? 0)].filter((pid) => pid !== undefined);
  const npx = above.findIndex((pid) => /\b(npm exec|npx)\b/.test(commandOf(pid)));
  return [bunRun, ...above.slice(0, npx + 1)].map((pid) => ({ pid, identity: identityOf(pid) }));
}
