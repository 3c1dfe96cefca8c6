import { expect, test } from "bun:test";
import { Gather } from "./gather.ts";

/** Work that ends when it is told to. */
function manual() {
  const calls: { items: readonly number[]; done: PromiseWithResolvers<void> }[] = [];
  const work = (items: readonly number[]) => {
    const done = Promise.withResolvers<void>();
    calls.push({ items, done });
    return done.promise;
  };
  return { calls, work };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));
const never = () => false;

test("what arrives while work is done is done together, next", async () => {
  const { calls, work } = manual();
  const gather = new Gather(work, 10, never);
  const all = [gather.add([1]), gather.add([2, 3]), gather.add([4])];
  expect(calls.map(({ items }) => items)).toEqual([[1]]);
  calls[0]!.done.resolve();
  await turn();
  expect(calls[1]!.items).toEqual([2, 3, 4]);
  calls[1]!.done.resolve();
  await Promise.all(all);
});

test("no more than the limit is taken together, and a larger parcel stays whole", async () => {
  const { calls, work } = manual();
  const gather = new Gather(work, 3, never);
  const all = [gather.add([0]), gather.add([1, 2]), gather.add([3, 4]), gather.add([5, 6, 7, 8])];
  for (let i = 0; i < 4; i++) {
    calls[i]!.done.resolve();
    await turn();
  }
  await Promise.all(all);
  expect(calls.map(({ items }) => items)).toEqual([[0], [1, 2], [3, 4], [5, 6, 7, 8]]);
});

test("an error that is about one parcel reaches that one only", async () => {
  const work = async (items: readonly number[]) => {
    await turn();
    if (items.includes(13)) throw new Error("13");
  };
  const gather = new Gather(work, 10, () => true);
  const results = await Promise.allSettled([gather.add([1]), gather.add([2]), gather.add([13]), gather.add([3])]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
});

test("an error that is about all rejects all at once, and the next work is tried", async () => {
  let calls = 0;
  const work = async () => {
    calls++;
    await turn();
    if (calls <= 2) throw new Error("away");
  };
  const gather = new Gather(work, 10, never);
  const results = await Promise.allSettled([gather.add([1]), gather.add([2]), gather.add([3])]);
  expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  await gather.add([4]);
  expect(calls).toBe(3);
});
