import { afterEach, expect, jest, test } from "bun:test";
import type { StoredRecord, Watcher, WatchOptions } from "../kafka/log.ts";
import { createLogger } from "../observability/logger.ts";
import { createMetrics } from "../observability/metrics.ts";
import { SimulatedLog } from "../tests/harness/simulated-log.ts";
import { project } from "../tests/project/index.ts";
import { PauseControl } from "./pause.ts";

const copies = { replicationFactor: 1, minInSyncReplicas: 1 };
const at = "2026-01-01T00:00:00.000Z";

afterEach(() => void jest.useRealTimers());

/** A log whose watcher delivers what the test gives it. */
class ControlLog extends SimulatedLog {
  readonly caughtUp = Promise.withResolvers<void>();
  private onRecords: WatchOptions["onRecords"] = () => {};

  override async watch({ onRecords }: WatchOptions): Promise<Watcher> {
    this.onRecords = onRecords;
    const { promise: caughtUp } = this.caughtUp;
    return { caughtUp, ended: new Promise(() => {}), readUntil: () => 0, refresh() {}, close: async () => {} };
  }

  async deliver(key: string, value: object): Promise<void> {
    const records = [{ key: Buffer.from(key), value: Buffer.from(JSON.stringify(value)) }];
    await this.onRecords(records as unknown as StoredRecord[]);
  }
}

function newControl() {
  const control = new PauseControl({
    logger: createLogger("test", "1", "silent"),
    metrics: createMetrics("stream", "1"),
    project,
  });
  return { control, log: new ControlLog(1) };
}

test("a command pauses and resumes the service that it names, and no other", async () => {
  const { control, log } = newControl();
  const seen: string[] = [];
  const watching = control.watch(log, "replica/catalog", copies, ({ key }) => void seen.push(String(key)));
  log.caughtUp.resolve();
  await watching;
  const consumer = { paused: false };
  control.attach(consumer);
  await log.deliver("stream", { paused: true, at });
  await log.deliver("replica/storefront", { paused: true, at });
  expect([control.paused, consumer.paused]).toEqual([false, false]);
  await log.deliver("replica/catalog", { paused: true, at, reason: "a migration" });
  expect([control.paused, consumer.paused]).toEqual([true, true]);
  expect(control.check.problem()).toBe(`paused since ${at}: a migration`);
  await log.deliver("replica/catalog", { paused: "yes" });
  expect(consumer.paused).toBe(true);
  await log.deliver("replica/storefront", { paused: false, at });
  expect(consumer.paused).toBe(true);
  await log.deliver("replica/catalog", { paused: false, at });
  expect([consumer.paused, control.check.problem()]).toEqual([false, undefined]);
  expect(seen).toHaveLength(6);
});

test("a consumer that is attached after the command is paused too", async () => {
  const { control, log } = newControl();
  log.caughtUp.resolve();
  await control.watch(log, "stream", copies);
  await log.deliver("stream", { paused: true, at });
  const consumer = { paused: false };
  control.attach(consumer);
  expect(consumer.paused).toBe(true);
  expect(control.check.problem()).toBe(`paused since ${at}`);
});

test("a start that cannot read the control topic fails, and says what to check", async () => {
  jest.useFakeTimers();
  const { control, log } = newControl();
  const watching = control.watch(log, "stream", copies).then(
    () => "watching",
    (error: Error) => error.message,
  );
  for (let turns = 0; turns < 20; turns++) await Promise.resolve();
  jest.advanceTimersByTime(10_000);
  expect(await watching).toBe("topic lockstep.control could not be read within 10000 ms; check the brokers");
});
