import { expect, test } from "bun:test";
import { firstSuccess } from "./first-success.ts";

/** Long enough that no attempt counts as slow. */
const NEVER_MS = 60_000;
/** One turn of the event loop. */
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Attempts that the test completes, in the order in which they start. */
function manual(count: number) {
  const started: PromiseWithResolvers<string>[] = [];
  const attempts = Array.from({ length: count }, () => () => {
    const attempt = Promise.withResolvers<string>();
    started.push(attempt);
    return attempt.promise;
  });
  return { started, attempts };
}

test("the next attempt starts when the current one fails, and the first success is the result", async () => {
  const { started, attempts } = manual(3);
  const result = firstSuccess(attempts, NEVER_MS);
  expect(started).toHaveLength(1);
  started[0]!.reject(new Error("first"));
  await nextTurn();
  expect(started).toHaveLength(2);
  started[1]!.resolve("second");
  expect(await result).toBe("second");
  await nextTurn();
  expect(started).toHaveLength(2);
});

test("P14: after the first success no further attempt starts, also when a slow one fails later", async () => {
  const { started, attempts } = manual(4);
  const result = firstSuccess(attempts, 1);
  while (started.length < 2) await nextTurn();
  started[0]!.resolve("first");
  expect(await result).toBe("first");
  const { length } = started;
  started.at(-1)!.reject(new Error("later"));
  await nextTurn();
  expect(started).toHaveLength(length);
});

test("when all attempts fail, the last error is the result", async () => {
  const { started, attempts } = manual(2);
  const result = firstSuccess(attempts, NEVER_MS);
  started[0]!.reject(new Error("first"));
  await nextTurn();
  started[1]!.reject(new Error("last"));
  await expect(result).rejects.toThrow("last");
});
