import { expect, test } from "bun:test";
import { Progress } from "./progress.ts";

const at = { topic: "things.to.catalog", partition: 3 };

test("a partition is stalled ten seconds after its batch was delivered, however often it is delivered again", () => {
  const progress = new Progress();
  for (let ms = 0; ms < 10_000; ms += 1_000) progress.delivered(at, ms);
  expect(progress.stalled(9_999)).toBeUndefined();
  expect(progress.stalled(10_000)).toEqual({ partitions: ["things.to.catalog/3"], longestMs: 10_000 });
  progress.completed(at);
  expect(progress.stalled(60_000)).toBeUndefined();
});

test("a partition that reads missing records before its batch is not stalled, and neither is a revoked one", () => {
  const progress = new Progress();
  progress.delivered(at, 0);
  progress.advanced(at, 8_000);
  expect(progress.stalled(17_999)).toBeUndefined();
  expect(progress.stalled(18_000)).toBeDefined();
  progress.revoked([at]);
  expect(progress.stalled(18_000)).toBeUndefined();
  progress.advanced(at, 19_000);
  expect(progress.stalled(60_000)).toBeUndefined();
});

test("a partition whose missing records cannot be read or applied is stalled without a batch, too", () => {
  const progress = new Progress();
  progress.assigned(at, 0);
  expect(progress.stalled(10_000)).toEqual({ partitions: ["things.to.catalog/3"], longestMs: 10_000 });
  progress.advanced(at, 11_000);
  expect(progress.stalled(20_000)).toBeUndefined();
  progress.caughtUp(at, 20_000);
  expect(progress.stalled(60_000)).toBeUndefined();
});

test("a batch that waits for missing records still counts when they are applied", () => {
  const progress = new Progress();
  progress.assigned(at, 0);
  progress.delivered(at, 1_000);
  progress.caughtUp(at, 5_000);
  expect(progress.stalled(14_999)).toBeUndefined();
  expect(progress.stalled(15_000)).toBeDefined();
  progress.completed(at);
  expect(progress.stalled(60_000)).toBeUndefined();
});
