/** When a supervisor restarts a process that ended, and what counts as a crash. */

/** Delay before the first restart, in milliseconds. */
const MIN_DELAY_MS = 100;
/** Longest delay, in milliseconds. */
const MAX_DELAY_MS = 10_000;
/** A process that ran this long, in milliseconds, was healthy: the delays start from the shortest again. */
const HEALTHY_AFTER_MS = 30_000;
/** Crashes older than this, in milliseconds, are forgotten. */
export const CRASH_WINDOW_MS = 60_000;
/** This many crashes within {@link CRASH_WINDOW_MS} are reported as a crash loop. */
export const CRASH_LOOP_COUNT = 3;

/**
 * The next delay, in milliseconds. Each crash doubles it.
 *
 * @param previousDelayMs the delay before the start that just failed; 0 when there was none.
 * @param ranMs how long the process ran.
 */
export function nextDelayMs(previousDelayMs: number, ranMs: number): number {
  if (previousDelayMs === 0 || ranMs >= HEALTHY_AFTER_MS) return MIN_DELAY_MS;
  return Math.min(MAX_DELAY_MS, previousDelayMs * 2);
}

/** A clean exit earlier than this, in milliseconds, counts as a crash: the process cannot have done its work. */
const MIN_RUN_MS = 1_000;

/** True when something requested the exit. The supervisor then restarts without a delay and counts no crash. */
export const isRequestedRestart = (isClean: boolean, ranMs: number): boolean => isClean && ranMs >= MIN_RUN_MS;

/** The crashes within the last {@link CRASH_WINDOW_MS}. @param crashedAt, nowMs milliseconds since 1970. */
export const recentCrashes = (crashedAt: readonly number[], nowMs: number): number[] =>
  crashedAt.filter((at) => nowMs - at < CRASH_WINDOW_MS);
