/** Repeats an operation while its failure is transient, with growing delays and an end. */
import { sleep } from "./sleep.ts";

/** How, and how long, an operation is repeated. */
export interface RetryOptions {
  /** What is attempted, for the error message: "opening writer relay". */
  readonly what: string;
  /** After this many milliseconds there is no further attempt. `Infinity` repeats until `signal` aborts. */
  readonly timeoutMs: number;
  /** True for an error after which the same attempt may succeed. Every other error ends the repetition. */
  readonly shouldRetry: (error: unknown) => boolean;
  /** Ends the repetition with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Delay before the second attempt, in milliseconds; each later delay is longer by half. Default 5. */
  readonly firstDelayMs?: number;
  /** Longest delay between two attempts, in milliseconds. Default 400. */
  readonly maxDelayMs?: number;
  /** Runs after each delay, before the next attempt. Its errors are ignored. */
  readonly beforeRetry?: () => Promise<unknown>;
  /** Called with each error that is retried. */
  readonly onRetry?: (error: unknown) => void;
}

/**
 * Calls `attempt` until it succeeds.
 *
 * @throws {Error} whatever `attempt` threw when `shouldRetry` is false; after `timeoutMs` an error with that as its
 * cause; the signal's reason when it aborts.
 */
export async function retry<T>(options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  const { what, timeoutMs, shouldRetry, signal, firstDelayMs = 5, maxDelayMs = 400, beforeRetry, onRetry } = options;
  const deadline = performance.now() + timeoutMs;
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 1.5, maxDelayMs)) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!shouldRetry(error)) throw error;
      if (performance.now() + delayMs > deadline)
        throw new Error(timeoutText(what, timeoutMs, error), { cause: error });
      onRetry?.(error);
      // Jitter: clients that lost the same server at the same time do not come back in step.
      await sleep(delayMs * (0.75 + Math.random() / 2), signal);
      await beforeRetry?.().catch(() => {});
    }
  }
}

const timeoutText = (what: string, timeoutMs: number, error: unknown): string =>
  `${what} did not succeed within ${timeoutMs} ms: ${error instanceof Error ? error.message : String(error)}`;
