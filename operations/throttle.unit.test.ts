import { expect, test } from "bun:test";
import { sleep } from "../platform/async/sleep.ts";
import { Throttle } from "./throttle.ts";

const { signal } = new AbortController();

/** Milliseconds that `work` takes. */
async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

test("a rate allows the first portion at once, and delays the next one by the size of the first", async () => {
  const throttle = new Throttle({ perSecond: 1_000 }, signal);
  expect(await timed(() => throttle.wait(100))).toBeLessThan(50);
  expect(await timed(() => throttle.wait(1))).toBeGreaterThan(80);
});

test("a rate does not catch up after a pause", async () => {
  const throttle = new Throttle({ perSecond: 1_000 }, signal);
  await sleep(150);
  await throttle.wait(100);
  expect(await timed(() => throttle.wait(1))).toBeGreaterThan(80);
});

test("a share of a half pauses for as long as the work took, and a share of 1 does not pause", async () => {
  const half = new Throttle({ share: 0.5 }, signal);
  const whole = new Throttle({ share: 1 }, signal);
  await sleep(100);
  expect(await timed(() => whole.wait())).toBeLessThan(50);
  expect(await timed(() => half.wait())).toBeGreaterThan(80);
});

test("an aborted signal ends the wait", async () => {
  const throttle = new Throttle({ perSecond: 1 }, AbortSignal.timeout(50));
  await throttle.wait(60);
  expect(await timed(() => throttle.wait())).toBeLessThan(5_000);
});
