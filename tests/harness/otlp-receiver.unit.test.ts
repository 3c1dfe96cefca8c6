import { expect, test } from "bun:test";
import { type ReceivedSpan, treeOf } from "./otlp-receiver.ts";

const span: ReceivedSpan = {
  service: "lockstep-relay",
  resource: {},
  traceId: "000102030405060708090a0b0c0d0e0f",
  spanId: "",
  parentSpanId: "",
  name: "",
  kind: "internal",
  start: 0n,
  end: 0n,
  attributes: {},
  status: "unset",
};

test("a trace is shown as a tree, each span below its parent", () => {
  const named = (name: string, spanId: string, parentSpanId: string, start: bigint) => ({
    ...span,
    name,
    spanId,
    parentSpanId,
    start,
  });
  expect(
    treeOf([
      named("late", "c", "a", 3n),
      named("root", "a", "", 1n),
      named("early", "b", "a", 2n),
      named("leaf", "d", "b", 4n),
    ]),
  ).toBe("lockstep-relay: root\n  lockstep-relay: early\n    lockstep-relay: leaf\n  lockstep-relay: late");
});
