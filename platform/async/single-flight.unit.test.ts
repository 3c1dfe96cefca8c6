import { expect, test } from "bun:test";
import { SingleFlight } from "./single-flight.ts";

/** One turn of the event loop. */
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test("no caller gets the result of a run that began before its call", async () => {
  const flights = new SingleFlight<number>();
  const runs: PromiseWithResolvers<number>[] = [];
  const work = () => {
    runs.push(Promise.withResolvers<number>());
    return runs.at(-1)!.promise;
  };
  const first = flights.run("a", work);
  const second = flights.run("a", work);
  const third = flights.run("a", work);
  expect(runs.length).toBe(1);
  runs[0]!.resolve(1);
  await nextTurn();
  expect(runs.length).toBe(2);
  const fourth = flights.run("a", work);
  runs[1]!.resolve(2);
  await nextTurn();
  runs[2]!.resolve(3);
  expect(await Promise.all([first, second, third, fourth])).toEqual([
    { result: 1, shared: false },
    { result: 2, shared: false },
    { result: 2, shared: true },
    { result: 3, shared: false },
  ]);
});

test("an error ends one run; a waiting caller gets a run of its own", async () => {
  const flights = new SingleFlight<string>();
  const first = flights.run("a", () => Promise.reject(new Error("unavailable")));
  const second = flights.run("a", async () => "available");
  await expect(first).rejects.toThrow("unavailable");
  expect(await second).toEqual({ result: "available", shared: false });
});

test("a caller that comes as a run ends shares the next run with those who wait for it", async () => {
  const flights = new SingleFlight<number>();
  const runs = [Promise.withResolvers<number>(), Promise.withResolvers<number>()];
  let started = 0;
  const work = () => runs[started++]!.promise;
  const callers = [flights.run("a", work), flights.run("a", work)];
  const late = runs[0]!.promise.then(() => flights.run("a", work));
  runs[0]!.resolve(1);
  await nextTurn();
  expect(started).toBe(2);
  runs[1]!.resolve(2);
  expect((await Promise.all([...callers, late])).map(({ result }) => result)).toEqual([1, 2, 2]);
});

test("keys do not wait for each other, and no result is kept after its run", async () => {
  const flights = new SingleFlight<string>();
  const gate = Promise.withResolvers<string>();
  const slow = flights.run("slow", () => gate.promise);
  expect(await flights.run("fast", async () => "fast")).toEqual({ result: "fast", shared: false });
  gate.resolve("slow");
  await slow;
  let runs = 0;
  await flights.run("slow", async () => `${runs++}`);
  await flights.run("slow", async () => `${runs++}`);
  expect(runs).toBe(2);
});
