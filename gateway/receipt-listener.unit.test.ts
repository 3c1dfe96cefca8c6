/** When the gateway asks the brokers for receipts. */
import { expect, test } from "bun:test";
import type { Watcher, WatchOptions } from "../kafka/log.ts";
import { createLogger } from "../observability/logger.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { SimulatedLog } from "../tests/harness/simulated-log.ts";
import { ReceiptListener } from "./receipt-listener.ts";

/** A log whose brokers answer when they are asked, with no receipt. */
class ReceiptLog extends SimulatedLog {
  options: WatchOptions | undefined;
  refreshes = 0;
  private answeredAtMs = performance.now();

  override async watch(options: WatchOptions): Promise<Watcher> {
    this.options = options;
    const refresh = () => {
      this.refreshes++;
      this.answeredAtMs = performance.now();
    };
    const never = new Promise<void>(() => {});
    return { caughtUp: never, ended: never, readUntil: () => this.answeredAtMs, refresh, close: async () => {} };
  }
}

test("receipts are fetched rarely while no write waits, and an answer is asked for before a wait ends", async () => {
  const log = new ReceiptLog(1);
  const listener = new ReceiptListener(async () => log, createLogger("test", "1", "silent"), { namespace: "" });
  listener.start();
  await eventually(() => log.options !== undefined, { timeoutMs: 1_000, what: "a watcher" });
  const { lingerMs } = log.options!;
  expect(lingerMs!()).toBe(250);
  await eventually(() => !listener.check.problem(), { timeoutMs: 1_000, what: "receipts that are read" });

  const subscription = listener.subscribe()!;
  expect(log.refreshes, "asked at the start of the first wait").toBe(1);
  expect(lingerMs!()).toBe(0);
  const found = await subscription.waitForReplicas("product", "1", 1, ["catalog"], 600);
  expect(found.get("catalog")).toEqual({ outcome: "behind" });
  expect(log.refreshes, "asked before the end of the wait").toBe(2);
  subscription[Symbol.dispose]();
  expect(lingerMs!(), "another wait may follow").toBe(0);
  using _ = listener.subscribe()!;
  expect(log.refreshes).toBe(2);
  await listener.close();
});
