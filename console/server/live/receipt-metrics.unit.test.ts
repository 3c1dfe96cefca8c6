/** How long the receipts' watchers are kept. */
import { expect, test } from "bun:test";
import type { Log, Watcher } from "../../../kafka/log.ts";
import { createLogger } from "../../../observability/logger.ts";
import { ReceiptMetrics } from "./receipt-metrics.ts";

test("a watcher that has failed is no longer referenced: a later stop does not close it", async () => {
  const { promise: ended, reject } = Promise.withResolvers<void>();
  const watching = Promise.withResolvers<void>();
  let closed = 0;
  const watch = async (): Promise<Watcher> => {
    watching.resolve();
    return { caughtUp: ended, ended, readUntil: () => 0, refresh() {}, close: async () => void closed++ };
  };
  const log = { watch } as unknown as Log;
  const metrics = new ReceiptMetrics(
    async () => log,
    { namespace: "" },
    createLogger("console", "1", "silent"),
    () => {},
  );
  metrics.start();
  await watching.promise;
  reject(new Error("the broker is gone"));
  await new Promise((resolve) => setImmediate(resolve));
  await metrics.stop();
  expect(closed).toBe(0);
});
