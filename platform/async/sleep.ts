/** The one way to wait for a time. */
import { setTimeout as delay } from "node:timers/promises";

/** Resolves after `ms` milliseconds. @throws the signal's reason as soon as it aborts. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (!signal) return delay(ms);
  signal.throwIfAborted();
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}

/** Resolves after `ms` milliseconds, or as soon as the signal aborts, whichever is first. Never rejects. */
export const sleepUnlessAborted = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, signal).catch(() => {});
