/** How a person ends a stack: once politely, twice at once. */

export interface Endings {
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP, or when whoever started us is gone. */
  readonly ending: AbortSignal;
  /** Aborted by the second. */
  readonly killing: AbortSignal;
}

const PARENT_LOOKED_AFTER_MS = 1_000;

/**
 * Listens for the end.
 *
 * @param followParent true to end also when our parent is gone: `npx` or `bun run`, killed hard, passes no signal on, and a
 *   stack in the foreground must not outlive its foreground.
 */
export function listenForEnd(followParent: boolean): Endings {
  const ending = new AbortController();
  const killing = new AbortController();
  const end = () => (ending.signal.aborted ? killing.abort() : ending.abort());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
  if (followParent) {
    const parent = process.ppid;
    const look = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(look);
      if (!ending.signal.aborted) end();
    }, PARENT_LOOKED_AFTER_MS);
    look.unref();
  }
  return { ending: ending.signal, killing: killing.signal };
}
