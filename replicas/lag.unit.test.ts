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

test("the lag is 0 when everything that the log had is applied", () => {
  const lag = new Lag();
  lag.received(batch(0, 3, 3, 1_000));
  lag.applied(batch(0, 3, 3, 1_000), 1_500);
  expect(lag.ms(1_501, 0)).toBe(0);
  expect(lag.ms(9_000, 0)).toBe(0);
});

test("while a batch is applied, the lag is the age of its oldest event", () => {
  const lag = new Lag();
  lag.received(batch(0, 3, 3, 1_000));
  expect(lag.ms(1_250, 0)).toBe(250);
});

test("when the log has more records, the lag is at most the age of the last applied event", () => {
  const lag = new Lag();
  lag.received(batch(0, 3, 10, 1_000));
  lag.applied(batch(0, 3, 10, 1_000), 1_100);
  expect(lag.ms(1_302, 0)).toBe(300);
});

test("transaction markers at the end of a partition cause no lasting lag", () => {
  const lag = new Lag();
  lag.applied(batch(0, 3, 4, 1_000), 1_100);
  expect(lag.ms(60_000, 0)).toBe(0);
});

test("while no broker responds, the lag is at least the time since the last response", () => {
  const lag = new Lag();
  expect(lag.ms(1_000, 7_000)).toBe(7_000);
});

test("the lag is unknown before the first response, and does not count revoked partitions", () => {
  expect(new Lag().ms(1_000, undefined)).toBeUndefined();
  const lag = new Lag();
  lag.received(batch(0, 1, 5, 1_000));
  lag.revoked([{ topic: "t", partition: 0 }]);
  expect(lag.ms(5_000, 0)).toBe(0);
});
