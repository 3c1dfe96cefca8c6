/** What takes longer than a request. */
import { expect, test } from "bun:test";
import { Jobs } from "./jobs.ts";

const settled = async () => await Bun.sleep(0);

test("a job is told from its beginning to its result", async () => {
  const told: unknown[] = [];
  const jobs = new Jobs(({ state, done, result }) => told.push([state, done, result]));
  jobs.start("verify", null, async ({ progress }) => {
    progress(5, 10);
    return { rows: 10 };
  });
  await settled();
  expect(told).toEqual([
    ["running", null, null],
    ["running", 5, null],
    ["done", 5, { rows: 10 }],
  ]);
});

test("there is one of a kind and name at a time", async () => {
  const jobs = new Jobs(() => {});
  const hold = Promise.withResolvers<null>();
  jobs.start("rebuild", "catalog", () => hold.promise);
  expect(() => jobs.start("rebuild", "catalog", async () => null)).toThrow("under way");
  jobs.start("rebuild", "storefront", async () => null);
  hold.resolve(null);
  await settled();
  jobs.start("rebuild", "catalog", async () => null);
});

test("one that fails says why; one that is stopped hears of it, and is no failure", async () => {
  const jobs = new Jobs(() => {});
  const failed = jobs.start("verify", null, async () => {
    throw new Error("the log is away");
  });
  const stopped = jobs.start(
    "rebuild",
    "catalog",
    ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  );
  jobs.stop(stopped.number);
  await settled();
  expect(failed).toMatchObject({ state: "failed", problem: "the log is away" });
  expect(stopped.state).toBe("stopped");
  expect(() => jobs.stop(stopped.number)).toThrow("No job");
});

test("only the last ones are remembered", async () => {
  const jobs = new Jobs(() => {});
  for (let i = 0; i < 30; i++) {
    jobs.start("verify", null, async () => null);
    await settled();
  }
  expect(jobs.recent()).toHaveLength(10);
  expect(jobs.recent().at(-1)!.number).toBe(30);
});
