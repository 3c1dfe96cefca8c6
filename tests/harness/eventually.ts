import { inspect } from "node:util";

type Truthy<T> = Exclude<T, false | null | undefined | 0 | "">;

/**
 * Polls `check` until it returns a truthy value, and returns that value. An exception counts as a falsy value.
 *
 * @param options.timeoutMs limit of the wait.
 * @param options.what the condition in words, for the error message.
 * @param options.everyMs pause between two polls, 25 by default.
 * @throws {Error} after `timeoutMs`, with the condition and the last value or exception.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { timeoutMs, what, everyMs = 25 }: { timeoutMs: number; what: string; everyMs?: number },
): Promise<Truthy<T>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let last: unknown;
    try {
      const answer = await check();
      if (answer) return answer as Truthy<T>;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline)
      throw new Error(`not within ${timeoutMs} ms: ${what}; last seen: ${inspect(last, { depth: 6 })}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
