import { expect, test } from "bun:test";
import { product } from "../contracts/entities/product.ts";
import { ConsumerBackpressure } from "./consumer-backpressure.ts";

/** A log in which a replica is so many records behind, and comes so much nearer with each question. */
function logWith({ lag, step }: { lag: number; step: number }) {
  let position = 0;
  let asked = 0;
  return {
    asked: () => asked,
    offsets: async () => new Map([[0, { first: 0, next: lag }]]),
    committedOffsets: async (group: string) => {
      if (!group.includes("catalog")) return new Map([[0, lag]]);
      asked++;
      position += step;
      return new Map([[0, position - step]]);
    },
  };
}
const { signal } = new AbortController();

test("a replica that is far behind and comes nearer is waited for", async () => {
  const log = logWith({ lag: 15_000, step: 4_000 });
  await new ConsumerBackpressure(log, product).wait(signal);
  expect(log.asked()).toBe(3); // 15,000, 11,000, 7,000 before it
});

test("who keeps up is asked once a second at most", async () => {
  const log = logWith({ lag: 500, step: 0 });
  const backlog = new ConsumerBackpressure(log, product);
  for (let i = 0; i < 5; i++) await backlog.wait(signal);
  expect(log.asked()).toBe(1);
});

test("a replica that stands still is not waited for for ever, and one that cannot be asked not at all", async () => {
  const still = logWith({ lag: 50_000, step: 0 });
  await new ConsumerBackpressure(still, product).wait(signal);
  expect(still.asked()).toBeGreaterThan(4);
  await new ConsumerBackpressure({ ...still, offsets: () => Promise.reject(new Error("away")) }, product).wait(signal);
}, 20_000);
