/** Waits for a condition by polling. */
import { UserError } from "../contracts/errors.ts";
import { retry } from "../platform/async/retry.ts";

/**
 * Thrown by a check of {@link waitFor} while its condition does not hold. The message says what the check found
 * instead.
 */
export class NotYetError extends Error {}

/** How {@link waitFor} polls. */
export interface WaitOptions {
  readonly timeoutMs: number;
  /** Average time from one check to the next, in milliseconds. */
  readonly intervalMs: number;
  /** Ends the wait with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the reason after each check that failed. */
  readonly onRetry?: (reason: string) => void;
}

/**
 * Calls `check` until it does not throw {@link NotYetError}, and returns its result.
 *
 * @param what the condition, for the error message: "catalog to become ready".
 * @throws {UserError} after `timeoutMs`, with the last check's reason; whatever else `check` throws; the signal's
 *   reason.
 */
export async function waitFor<T>(what: string, options: WaitOptions, check: () => Promise<T>): Promise<T> {
  const { timeoutMs, intervalMs, signal, onRetry } = options;
  let lastReason = "";
  const isPending = (error: unknown): boolean => {
    if (error instanceof NotYetError) lastReason = error.message;
    return error instanceof NotYetError;
  };
  const timing = { timeoutMs, firstDelayMs: intervalMs, maxDelayMs: intervalMs, signal };
  const callbacks = { shouldRetry: isPending, onRetry: () => onRetry?.(lastReason) };
  try {
    return await retry({ what, ...timing, ...callbacks }, check);
  } catch (error) {
    // Only a timeout wraps the check's error.
    if (!(error instanceof Error && error.cause instanceof NotYetError)) throw error;
    throw new UserError(`waited ${Math.round(timeoutMs / 100) / 10} s for ${what}: ${lastReason}`);
  }
}
