import { expect, test } from "bun:test";
import { SingleFlight } from "./single-flight.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("nobody is answered with work that began before they asked", async () => {
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
  await turn();
  expect(runs.length).toBe(2);
  const fourth = flights.run("a", work);
  runs[1]!.resolve(2);
  await turn();
  runs[2]!.resolve(3);
  expect(await Promise.all([first, second, third, fourth])).toEqual([
    { result: 1, shared: false },
    { result: 2, shared: false },
    { result: 2, shared: true },
    { result: 3, shared: false },
  ]);
});

test("an error ends one run; who waited has a run of their own", async () => {
  const flights = new SingleFlight<string>();
  const first = flights.run("a", () => Promise.reject(new Error("away")));
  const second = flights.run("a", async () => "there");
  await expect(first).rejects.toThrow("away");
  expect(await second).toEqual({ result: "there", shared: false });
});

test("keys do not wait for each other, and nothing is remembered when all is done", async () => {
  const flights = new SingleFlight<string>();
  const held = Promise.withResolvers<string>();
  const slow = flights.run("slow", () => held.promise);
  expect(await flights.run("quick", async () => "quick")).toEqual({ result: "quick", shared: false });
  held.resolve("slow");
  await slow;
  let runs = 0;
  await flights.run("slow", async () => `${runs++}`);
  await flights.run("slow", async () => `${runs++}`);
  expect(runs).toBe(2);
});
