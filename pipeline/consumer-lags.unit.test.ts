import { expect, test } from "bun:test";
import { createMetrics } from "../observability/metrics.ts";
import { ConsumerLags } from "./consumer-lags.ts";

test("tells the sum of a group's topics by partition, and forgets what moved", async () => {
  const metrics = createMetrics("stream", "1");
  const lags = new ConsumerLags(metrics.consumerLag, "g");
  const told = async () =>
    Object.fromEntries(
      [...(await metrics.text()).matchAll(/^lockstep_consumer_lag\{.*partition="(\d)".*\} (\d+)/gm)].map(
        ([, partition, records]) => [partition, Number(records)],
      ),
    );
  lags.set({ topic: "products.events", partition: 0 }, 3);
  lags.set({ topic: "orders.events", partition: 0 }, 4);
  lags.set({ topic: "orders.events", partition: 1 }, 5);
  expect(await told()).toEqual({ 0: 7, 1: 5 });
  lags.set({ topic: "products.events", partition: 0 }, 0);
  lags.forget({ topic: "orders.events", partition: 1 });
  // One that nothing was told of, as the canary's: it takes nothing away.
  lags.forget({ topic: "canaries.events", partition: 0 });
  expect(await told()).toEqual({ 0: 4 });
  lags.forget({ topic: "orders.events", partition: 0 });
  lags.forget({ topic: "products.events", partition: 0 });
  expect(await told()).toEqual({});
});
