import { afterEach, expect, setSystemTime, test } from "bun:test";
import { WriterDeadError } from "../log.ts";
import { BrokerError, errorCodes } from "../wire/broker-errors.ts";
import { WriterState } from "./writer-state.ts";

const HOUR_MS = 3_600_000;
afterEach(() => void setSystemTime());

test("a writer keeps the first cause of its end, and gives it to what it has in flight", () => {
  const state = new WriterState("relay");
  expect(() => state.throwIfDead()).not.toThrow();
  const dead = state.end(new Error("the connection was closed"));
  expect(state.end(new BrokerError(errorCodes.PRODUCER_FENCED, "produce"))).toBe(dead);
  expect(dead).toMatchObject({
    fenced: false,
    message:
      "writer relay: the outcome of a write is unknown (the connection was closed); open a new writer and read back",
  });
  expect(state.signal.reason).toBe(dead);
  expect(() => state.throwIfDead()).toThrow(dead);
});

test("a writer that a broker rejects for its epoch is fenced", () => {
  for (const code of [errorCodes.PRODUCER_FENCED, errorCodes.INVALID_PRODUCER_EPOCH]) {
    const dead = new WriterState("relay").end(new BrokerError(code, "produce"));
    expect(dead).toMatchObject({ fenced: true, message: "writer relay was fenced by a newer writer of the same name" });
  }
});

test("P9: a writer that was suspended for more than 20 hours ends before it writes", () => {
  const state = new WriterState("relay");
  setSystemTime(state.openedAtMs + 20 * HOUR_MS);
  state.throwIfDead();
  setSystemTime(state.openedAtMs + 20 * HOUR_MS + 1);
  expect(() => state.throwIfDead()).toThrow(WriterDeadError);
  expect(() => state.throwIfDead()).toThrow("it is older than 20 hours");
  expect(state.isOpen).toBe(false);
});
