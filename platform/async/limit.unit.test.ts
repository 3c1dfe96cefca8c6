import { expect, test } from "bun:test";
import { ConcurrencyLimit } from "./limit.ts";

/** One turn of the event loop. */
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test("operations wait for their turn in order, and never more than the limit run, also after errors", async () => {
  const limit = new ConcurrencyLimit(2);
  const started: string[] = [];
  const operations = new Map<string, PromiseWithResolvers<string>>();
  const run = (name: string) =>
    limit.run(() => {
      started.push(name);
      operations.set(name, Promise.withResolvers());
      return operations.get(name)!.promise;
    });
  const results = ["a", "b", "c", "d"].map(run);
  results[1]!.catch(() => {});
  expect(started).toEqual(["a", "b"]);
  operations.get("b")!.reject(new Error("b failed"));
  await nextTurn();
  expect(started).toEqual(["a", "b", "c"]);
  const later = run("e");
  await nextTurn();
  expect(started, "the turn of the failed operation belongs to one other").toEqual(["a", "b", "c"]);
  for (const name of ["a", "c", "d", "e"]) {
    operations.get(name)!.resolve(name);
    await nextTurn();
  }
  expect(started).toEqual(["a", "b", "c", "d", "e"]);
  await expect(results[1]!).rejects.toThrow("b failed");
  expect(await later).toBe("e");
});
