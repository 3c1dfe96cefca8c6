/** How the console runs operations that take longer than a request. */
import { expect, test } from "bun:test";
import { JobRunner } from "./jobs.ts";

const nextTick = async () => await Bun.sleep(0);

test("each change of a job is reported, from its start to its result", async () => {
  const reported: unknown[] = [];
  const jobs = new JobRunner(({ state, done, result }) => reported.push([state, done, result]));
  jobs.start("verify", null, async ({ progress }) => {
    progress(5, 10);
    return { rows: 10 };
  });
  await nextTick();
  expect(reported).toEqual([
    ["running", null, null],
    ["running", 5, null],
    ["done", 5, { rows: 10 }],
  ]);
});

test("at most one job of a kind and replica runs at a time", async () => {
  const jobs = new JobRunner(() => {});
  const work = Promise.withResolvers<null>();
  jobs.start("rebuild", "catalog", () => work.promise);
  expect(() => jobs.start("rebuild", "catalog", async () => null)).toThrow("already running");
  jobs.start("rebuild", "storefront", async () => null);
  work.resolve(null);
  await nextTick();
  jobs.start("rebuild", "catalog", async () => null);
});

test("a failed job says why; a stopped job gets the signal and does not count as failed", async () => {
  const jobs = new JobRunner(() => {});
  const failed = jobs.start("verify", null, async () => {
    throw new Error("the log is unavailable");
  });
  const stopped = jobs.start(
    "rebuild",
    "catalog",
    ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  );
  jobs.stop(stopped.number);
  await nextTick();
  expect(failed).toMatchObject({ state: "failed", problem: "the log is unavailable" });
  expect(stopped.state).toBe("stopped");
  expect(() => jobs.stop(stopped.number)).toThrow("No job");
});

test("only the last ten jobs are remembered", async () => {
  const jobs = new JobRunner(() => {});
  for (let i = 0; i < 30; i++) {
    jobs.start("verify", null, async () => null);
    await nextTick();
  }
  expect(jobs.recent()).toHaveLength(10);
  expect(jobs.recent().at(-1)!.number).toBe(30);
});
