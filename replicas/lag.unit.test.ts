import { expect, test } from "bun:test";
import type { Batch, StoredRecord } from "../kafka/log.ts";
import { Lag } from "./lag.ts";

const batch = (offset: number, count: number, highWatermark: number, timestampMs: number): Batch => ({
  topic: "t",
  partition: 0,
  highWatermark,
  records: Array.from(
    { length: count },
    (_, i) => ({ offset: offset + i, timestampMs: timestampMs + i }) as StoredRecord,
  ),
});

test("all that the log had is applied: no lag", () => {
  const lag = new Lag(() => 0);
  lag.received(batch(0, 3, 3, 1_000));
  lag.applied(batch(0, 3, 3, 1_000), 1_500);
  expect(lag.ms(9_000)).toBe(0);
});

test("while a batch is applied, the lag is the age of its oldest event", () => {
  const lag = new Lag(() => 0);
  lag.received(batch(0, 3, 3, 1_000));
  expect(lag.ms(1_250)).toBe(250);
});

test("when the log has more, the lag is at most the age of the last applied event", () => {
  const lag = new Lag(() => 0);
  lag.received(batch(0, 3, 10, 1_000));
  lag.applied(batch(0, 3, 10, 1_000), 1_100);
  expect(lag.ms(1_302)).toBe(300);
});

test("what never comes was nothing: markers at the end of a partition are no lag for ever", () => {
  const lag = new Lag(() => 0);
  lag.applied(batch(0, 3, 4, 1_000), 1_100);
  expect(lag.ms(60_000)).toBe(0);
});

test("while no broker answers, the lag is at least the time since the last answer", () => {
  const lag = new Lag(() => 7_000);
  expect(lag.ms(1_000)).toBe(7_000);
});

test("before the first answer nothing is said, and another's partition is not counted", () => {
  expect(new Lag(() => undefined).ms(1_000)).toBeUndefined();
  const lag = new Lag(() => 0);
  lag.received(batch(0, 1, 5, 1_000));
  lag.revoked([{ topic: "t", partition: 0 }]);
  expect(lag.ms(5_000)).toBe(0);
});
