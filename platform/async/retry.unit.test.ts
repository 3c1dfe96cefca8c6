import { expect, test } from "bun:test";
import { type RetryOptions, retry } from "./retry.ts";

class Transient extends Error {}
const options: RetryOptions = {
  what: "the work",
  timeoutMs: 60_000,
  shouldRetry: (error) => error instanceof Transient,
  firstDelayMs: 0,
};

/** Fails with each of the errors, then returns the number of calls. */
function failing(...errors: unknown[]) {
  const calls = { count: 0 };
  const attempt = async () => {
    const error = errors[calls.count++];
    if (error) throw error;
    return calls.count;
  };
  return { calls, attempt };
}

test("a transient error is reported and repeated until the operation succeeds", async () => {
  const events: string[] = [];
  const { attempt } = failing(new Transient("first"), new Transient("second"));
  const onRetry = (error: unknown) => void events.push((error as Error).message);
  const beforeRetry = async () => {
    events.push("before");
    throw new Error("ignored");
  };
  expect(await retry({ ...options, onRetry, beforeRetry }, attempt)).toBe(3);
  expect(events).toEqual(["first", "before", "second", "before"]);
});

test("P14: any other error ends the repetition at once, unchanged", async () => {
  const fatal = new Error("fatal");
  const { calls, attempt } = failing(new Transient("first"), fatal, new Transient("never seen"));
  expect(await retry(options, attempt).catch((error) => error)).toBe(fatal);
  expect(calls.count).toBe(2);
});

test("P14: after the time limit the error names the work, the limit and its cause, and nothing is attempted", async () => {
  const last = new Transient("no answer");
  const { calls, attempt } = failing(last, last);
  const error = await retry({ ...options, timeoutMs: 0, firstDelayMs: 1 }, attempt).catch((error) => error);
  expect(error).toMatchObject({ message: "the work did not succeed within 0 ms: no answer", cause: last });
  expect(calls.count).toBe(1);
});

test("P14: a signal ends the repetition with its reason: before an attempt, and during a delay", async () => {
  const stop = new AbortController();
  const { calls, attempt } = failing(new Transient("first"));
  const stopped = retry(
    { ...options, firstDelayMs: 30_000, signal: stop.signal, onRetry: () => stop.abort("stopped") },
    attempt,
  );
  expect(await stopped.catch((reason) => reason)).toBe("stopped");
  expect(calls.count).toBe(1);
  expect(await retry({ ...options, signal: stop.signal }, attempt).catch((reason) => reason)).toBe("stopped");
  expect(calls.count).toBe(1);
});
