/** Deadlines for work that cannot be cancelled: the work continues, its caller does not wait for it any longer. */

/**
 * Waits for `work` for at most `timeoutMs` milliseconds.
 *
 * @param timeoutError makes the error when the time is up; called at most once.
 * @throws {Error} `timeoutError()`, or whatever `work` rejects with before that.
 */
export async function withTimeout<T>(work: PromiseLike<T>, timeoutMs: number, timeoutError: () => Error): Promise<T> {
  const expired = Promise.withResolvers<never>();
  const timer = setTimeout(() => expired.reject(timeoutError()), timeoutMs);
  try {
    return await Promise.race([work, expired.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits for `work` for at most `timeoutMs` milliseconds.
 *
 * @returns true when `work` resolved in time, false when the time is up.
 * @throws {Error} whatever `work` rejects with in time.
 */
export async function settlesWithin(work: PromiseLike<unknown>, timeoutMs: number): Promise<boolean> {
  const expired = Promise.withResolvers<false>();
  const timer = setTimeout(() => expired.resolve(false), timeoutMs);
  try {
    return await Promise.race([Promise.resolve(work).then(() => true), expired.promise]);
  } finally {
    clearTimeout(timer);
  }
}
