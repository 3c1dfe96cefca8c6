/** Hedged requests: the next attempt starts when the current one fails or is slow. */

/**
 * Runs attempts until one succeeds. The next attempt starts when the current one has failed, or has been pending for
 * `hedgeMs` milliseconds; the current one stays in flight.
 *
 * @returns the first success.
 * @throws the last attempt's error when all have failed.
 */
export function firstSuccess<T>(attempts: readonly (() => Promise<T>)[], hedgeMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    let started = 0;
    let failed = 0;
    let done = false;
    const startNext = () => {
      const attempt = attempts[started++];
      if (!attempt || done) return;
      let movedOn = false;
      const moveOn = () => {
        if (!movedOn) startNext();
        movedOn = true;
      };
      const timer = setTimeout(moveOn, hedgeMs);
      attempt()
        .then(
          (result) => {
            done = true;
            resolve(result);
          },
          (error: unknown) => {
            if (++failed === attempts.length) reject(error);
            moveOn();
          },
        )
        .finally(() => clearTimeout(timer));
    };
    startNext();
  });
}
