import { expect, test } from "bun:test";
import { product } from "../tests/project/index.ts";
import { ConsumerBackpressure } from "./consumer-backpressure.ts";

/** A log in which the catalog's lag is `lag` at the first check, and `step` smaller at each later one. */
function logWith({ lag, step }: { lag: number; step: number }) {
  let position = 0;
  let checks = 0;
  return {
    checks: () => checks,
    offsets: async () => new Map([[0, { first: 0, next: lag }]]),
    committedOffsets: async (group: string) => {
      if (!group.includes("catalog")) return new Map([[0, lag]]);
      checks++;
      position += step;
      return new Map([[0, position - step]]);
    },
  };
}
const { signal } = new AbortController();

test("it waits while a replica has a high lag that falls", async () => {
  const log = logWith({ lag: 15_000, step: 4_000 });
  await new ConsumerBackpressure(log, product).wait(signal);
  expect(log.checks()).toBe(3); // lags of 15,000, 11,000 and 7,000
});

test("it checks consumers that keep up at most once a second", async () => {
  const log = logWith({ lag: 500, step: 0 });
  const backpressure = new ConsumerBackpressure(log, product);
  for (let i = 0; i < 5; i++) await backpressure.wait(signal);
  expect(log.checks()).toBe(1);
});

test("it stops waiting for a replica that does not move, and does not wait when the log is unavailable", async () => {
  const stalled = logWith({ lag: 50_000, step: 0 });
  await new ConsumerBackpressure(stalled, product).wait(signal);
  expect(stalled.checks()).toBeGreaterThan(4);
  const unavailable = { ...stalled, offsets: () => Promise.reject(new Error("unavailable")) };
  await new ConsumerBackpressure(unavailable, product).wait(signal);
}, 20_000);
