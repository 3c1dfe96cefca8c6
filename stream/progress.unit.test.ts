import { expect, test } from "bun:test";
import { Progress } from "./progress.ts";

const at = (processed: number, end: number, partition = 0) => ({ topic: "t", partition, processed, end });

test("a partition with unread records is stalled after 10 s at one position, until it moves", () => {
  const progress = new Progress();
  for (let ms = 0; ms <= 9_000; ms += 1_000) progress.observe([at(5, 8), at(3, 3, 1)], false, ms);
  expect(progress.stalled()).toBeUndefined();
  progress.observe([at(5, 9), at(3, 3, 1)], false, 10_000);
  expect(progress.stalled()).toBe("no progress for 10 s in t/0 (4 unread from offset 5)");
  progress.observe([at(6, 9), at(3, 3, 1)], false, 11_000);
  expect(progress.stalled()).toBeUndefined();
});

test("a paused consumer and a revoked partition are not stalled", () => {
  const progress = new Progress();
  for (let ms = 0; ms <= 20_000; ms += 1_000) progress.observe([at(5, 8)], true, ms);
  expect(progress.stalled()).toBeUndefined();
  progress.observe([at(5, 8)], false, 21_000);
  expect(progress.stalled()).toBeUndefined();
  progress.observe([], false, 40_000);
  expect(progress.stalled()).toBeUndefined();
});

test("the lag grows when it is large and rises within 10 s", () => {
  const progress = new Progress();
  for (let s = 0; s <= 10; s++) progress.observe([at(0, 5_000 + 200 * s)], false, s * 1_000);
  expect(progress.growing()).toBe("the lag grew from 5000 to 7000 records in 10 s");
  for (let s = 11; s <= 22; s++) progress.observe([at(0, 7_000)], false, s * 1_000);
  expect(progress.growing()).toBeUndefined();
});
