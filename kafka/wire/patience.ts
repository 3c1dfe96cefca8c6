/** Bounded repetition: every wait on a broker has an end. */
import { errorAction } from "./broker-errors.ts";

export interface Patience {
  /** What is tried, for the error: "opening writer relay". */
  readonly what: string;
  readonly timeoutMs: number;
  /** Ends the waiting early, with the signal's reason. */
  readonly signal?: AbortSignal;
  /** First pause; each next is longer by half, up to `longestPauseMs`. Default 5 ms. */
  readonly firstPauseMs?: number;
  /** Default 400 ms. */
  readonly longestPauseMs?: number;
  /** Done after each pause, before the next attempt; its failures are ignored. */
  readonly between?: () => Promise<void>;
  /** Told of each failure that is tried again. */
  readonly onRetry?: (error: unknown) => void;
}

/**
 * Repeats `attempt` while it fails in a way that may pass.
 *
 * @throws what the attempt threw, when repeating cannot help, or when the time is up (then as the cause).
 */
export async function patiently<T>(patience: Patience, attempt: () => Promise<T>): Promise<T> {
  const { what, timeoutMs, signal, firstPauseMs = 5, longestPauseMs = 400, between, onRetry } = patience;
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 1.5, longestPauseMs)) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (errorAction(error) !== "retry") throw error;
      if (performance.now() + pauseMs > deadline)
        throw new Error(
          `${what} did not succeed within ${timeoutMs} ms: ${error instanceof Error ? error.message : String(error)}`,
          { cause: error },
        );
      onRetry?.(error);
      // A little chance, so that many clients of one failed broker do not knock in step.
      await pause(pauseMs * (0.75 + Math.random() / 2), signal);
      await between?.().catch(() => {});
    }
  }
}

/** Waits, or rejects with the signal's reason when it is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Waits for `work`, but not longer than `ms`; it then goes on unwatched. */
export async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

/**
 * Makes attempts until one succeeds: the next when one has failed, or has taken `hedgeMs` and is still under way.
 *
 * @throws the last attempt's error when all have failed.
 */
export function firstAnswer<T>(attempts: readonly (() => Promise<T>)[], hedgeMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    let begun = 0;
    let failed = 0;
    let done = false;
    const begin = () => {
      const attempt = attempts[begun++];
      if (!attempt || done) return;
      let moved = false;
      const moveOn = () => {
        if (!moved) begin();
        moved = true;
      };
      const timer = setTimeout(moveOn, hedgeMs);
      attempt()
        .then(
          (answer) => {
            done = true;
            resolve(answer);
          },
          (error: unknown) => {
            if (++failed === attempts.length) reject(error);
            moveOn();
          },
        )
        .finally(() => clearTimeout(timer));
    };
    begin();
  });
}
