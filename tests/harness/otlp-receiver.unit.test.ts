import { expect, test } from "bun:test";
import { decodeSpans, treeOf } from "./otlp-receiver.ts";

const message = (...parts: (number[] | Uint8Array)[]): number[] => parts.flatMap((part) => [...part]);
const varint = (value: number): number[] => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >> 7)]);
/** Encodes a length-delimited member. */
const member = (field: number, content: readonly number[]): number[] => [
  (field << 3) | 2,
  ...varint(content.length),
  ...content,
];
const text = (value: string): number[] => [...new TextEncoder().encode(value)];
const attribute = (key: string, value: number[]): number[] => message(member(1, text(key)), member(2, value));
const fixed64 = (field: number, value: number[]): number[] => [(field << 3) | 1, ...value];

// Encoded by hand from opentelemetry-proto's trace.proto, so that an error of an encoder library cannot hide one here.
const request = Uint8Array.from(
  member(
    1,
    message(
      member(1, member(1, attribute("service.name", member(1, text("lockstep-relay"))))),
      member(
        2,
        member(
          2,
          message(
            member(
              1,
              Array.from({ length: 16 }, (_, i) => i),
            ),
            member(2, [1, 2, 3, 4, 5, 6, 7, 8]),
            member(4, [9, 9, 9, 9, 9, 9, 9, 9]),
            member(5, text("publish products.events")),
            [6 << 3, 4],
            fixed64(7, [0, 0, 0, 0, 0, 0, 0, 1]),
            fixed64(8, [1, 0, 0, 0, 0, 0, 0, 1]),
            member(9, attribute("yes", [2 << 3, 1])),
            member(9, attribute("minus", [3 << 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1])),
            member(9, attribute("half", fixed64(4, [0, 0, 0, 0, 0, 0, 0xe0, 0x3f]))),
            member(9, attribute("list", member(5, member(1, member(1, text("a")))))),
            member(15, [3 << 3, 2]),
          ),
        ),
      ),
    ),
  ),
);

test("a span is decoded with its ids, times, attributes and status", () => {
  expect(decodeSpans(request)).toEqual([
    {
      service: "lockstep-relay",
      resource: { "service.name": "lockstep-relay" },
      traceId: "000102030405060708090a0b0c0d0e0f",
      spanId: "0102030405060708",
      parentSpanId: "0909090909090909",
      name: "publish products.events",
      kind: "producer",
      start: 1n << 56n,
      end: (1n << 56n) + 1n,
      attributes: { yes: true, minus: -1, half: 0.5, list: ["a"] },
      status: "error",
    },
  ]);
});

test("a truncated message is rejected", () => {
  expect(() => decodeSpans(request.subarray(0, request.length - 1))).toThrow("past the end");
});

test("a trace is formatted as a tree, each span below its parent", () => {
  const [span] = decodeSpans(request);
  const named = (name: string, spanId: string, parentSpanId: string, start: bigint) => ({
    ...span!,
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
