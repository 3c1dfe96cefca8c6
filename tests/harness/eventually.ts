import { inspect } from "node:util";

type Truthy<T> = Exclude<T, false | null | undefined | 0 | "">;

/**
 * Asks again until the answer is truthy, and gives that answer. An exception counts as not yet.
 *
 * @param timeoutMs how long it may take at most; @param what the condition in words, for the failure.
 * @throws {Error} when the time is up: the condition, and the last answer or exception.
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
