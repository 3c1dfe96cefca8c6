import { LockstepError } from "../contracts/errors.ts";

/**
 * Bounds the wait for something that may never answer: a stopped database keeps its connections open and says nothing.
 *
 * @param ms longest wait in milliseconds. The work itself is not cancelled: its outcome stays unknown to the caller.
 * @throws {LockstepError} UNAVAILABLE when the time is up, with a Retry-After of a second.
 */
export function withDeadline<T>(work: PromiseLike<T>, ms: number, what: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(
      () =>
        reject(new LockstepError("UNAVAILABLE", `${what} did not answer within ${ms} ms`, { retryAfterSeconds: 1 })),
      ms,
    );
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
