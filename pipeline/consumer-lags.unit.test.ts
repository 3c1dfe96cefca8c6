import { expect, test } from "bun:test";
import { createMetrics } from "../observability/metrics.ts";
import { ConsumerLags } from "./consumer-lags.ts";

test("the lag of a partition is the sum over the group's topics, without the partitions that moved away", async () => {
  const metrics = createMetrics("stream", "1");
  const lags = new ConsumerLags(metrics.consumerLag, "g");
  const reported = async () =>
    Object.fromEntries(
      [...(await metrics.text()).matchAll(/^lockstep_consumer_lag\{.*partition="(\d)".*\} (\d+)/gm)].map(
        ([, partition, records]) => [partition, Number(records)],
      ),
    );
  lags.set({ topic: "products.events", partition: 0 }, 3);
  lags.set({ topic: "orders.events", partition: 0 }, 4);
  lags.set({ topic: "orders.events", partition: 1 }, 5);
  expect(await reported()).toEqual({ 0: 7, 1: 5 });
  lags.set({ topic: "products.events", partition: 0 }, 0);
  lags.remove({ topic: "orders.events", partition: 1 });
  // A partition without a lag, as an internal entity's: removing it changes nothing.
  lags.remove({ topic: "canaries.events", partition: 0 });
  expect(await reported()).toEqual({ 0: 4 });
  lags.remove({ topic: "orders.events", partition: 0 });
  lags.remove({ topic: "products.events", partition: 0 });
  expect(await reported()).toEqual({});
});
