/** How long a supervisor waits before it starts a process again. */

/** First pause, in milliseconds. */
const SHORTEST_MS = 100;
/** Longest pause, in milliseconds. */
const LONGEST_MS = 10_000;
/** A process that ran this long counts as healthy: its next crash is a first one. */
export const HEALTHY_AFTER_MS = 30_000;
/** Crashes older than this are not told any more. */
export const CRASH_MEMORY_MS = 60_000;
/** So many crashes within the memory are more than bad luck. */
export const MANY_CRASHES = 3;

/**
 * The next pause, in milliseconds: doubled with each crash.
 *
 * @param previousMs the pause before the start that just failed; 0 when there was none.
 * @param ranMs how long the process ran.
 */
export function nextPauseMs(previousMs: number, ranMs: number): number {
  if (previousMs === 0 || ranMs >= HEALTHY_AFTER_MS) return SHORTEST_MS;
  return Math.min(LONGEST_MS, previousMs * 2);
}

/** A process that ended in order within this time does not do what it is for, whatever its status says. */
const TOO_SHORT_MS = 1_000;

/** Whether somebody told the process to end, so that it is started again without a pause and no crash is counted. */
export const isRestart = (inOrder: boolean, ranMs: number): boolean => inOrder && ranMs >= TOO_SHORT_MS;

/** The crashes that still count, this one among them. */
export const recentCrashes = (crashedAt: readonly number[], nowMs: number): number[] =>
  crashedAt.filter((at) => nowMs - at < CRASH_MEMORY_MS);
