import { afterEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { startRecording } from "../tests/harness/recorded-spans.ts";
import { BatchSpans } from "./batch-spans.ts";
import {
  MAX_LINKS,
  newTraceparent,
  SpanKind,
  setRecorder,
  startSpan,
  traceIdOf,
  validTraceparent,
  withSpan,
} from "./trace.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const sampled = `00-${TRACE}-${PARENT}-01`;
const unsampled = `00-${TRACE}-${PARENT}-00`;

afterEach(() => setRecorder(undefined));

describe("a traceparent", () => {
  test("stays as it is when it is valid", () => {
    for (const value of [sampled, `00-${TRACE}-${PARENT}-00`, `00-${TRACE}-${PARENT}-03`])
      expect(validTraceparent(value)).toBe(value);
  });

  test("of a later version is read by its first four members and propagated as version 00", () => {
    expect(validTraceparent(`01-${TRACE}-${PARENT}-01`)).toBe(sampled);
    expect(validTraceparent(`cc-${TRACE}-${PARENT}-01-what-the-future-brings`)).toBe(sampled);
  });

  test("loses unknown flags", () => {
    expect(validTraceparent(`00-${TRACE}-${PARENT}-ff`)).toBe(`00-${TRACE}-${PARENT}-03`);
  });

  test("counts as missing when it is malformed", () => {
    const malformed = [
      undefined,
      null,
      "",
      "x",
      ` ${sampled}`,
      `${sampled}\n`,
      `${sampled}-more`,
      sampled.toUpperCase(),
      `ff-${TRACE}-${PARENT}-01`,
      `00-${TRACE}-${PARENT}`,
      `00-${TRACE}-${PARENT}-1`,
      `00-${TRACE.slice(1)}-${PARENT}-01`,
      `00-${TRACE}-${PARENT}0-01`,
      `00-${"0".repeat(32)}-${PARENT}-01`,
      `00-${TRACE}-${"0".repeat(16)}-01`,
      `01-${TRACE}-${PARENT}-01more`,
    ];
    for (const value of malformed) {
      expect(validTraceparent(value)).toBeUndefined();
      expect(traceIdOf(value)).toBeUndefined();
    }
  });

  test("of any input is valid or undefined", () => {
    const part = fc.constantFrom("00", "01", "ff", "-", TRACE, PARENT, "0".repeat(16), "g", "é");
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(part).map((parts) => parts.join("-")),
        ),
        (value) => {
          const out = validTraceparent(value);
          expect(out === undefined || /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$/.test(out)).toBe(true);
        },
      ),
    );
  });

  test("created for a write is valid, unique and not sampled", () => {
    const created = newTraceparent();
    expect(validTraceparent(created)).toBe(created);
    expect(created).toEndWith("-00");
    expect(newTraceparent()).not.toBe(created);
  });
});

describe("with tracing off", () => {
  test("a span propagates its parent", () => {
    const span = startSpan("publish", { parent: sampled });
    expect(span.traceparent).toBe(sampled);
    span.setAttributes({ key: "value" });
    span.end(new Error("ignored"));
  });

  test("a span without a valid parent propagates nothing", () => {
    expect(startSpan("publish", {}).traceparent).toBeUndefined();
    expect(startSpan("publish", { parent: "garbage" }).traceparent).toBeUndefined();
  });
});

describe("with tracing on", () => {
  test("a span is the child of its parent and propagates itself", () => {
    const kept = startRecording();
    const span = startSpan("publish", {
      parent: sampled,
      kind: SpanKind.PRODUCER,
      attributes: { a: 1 },
      startMs: 1_700_000_000_000.5,
    });
    span.setAttributes({ b: "two" });
    span.end();
    expect(kept).toMatchObject([
      {
        name: "publish",
        kind: SpanKind.PRODUCER,
        attributes: { a: 1, b: "two" },
        startMs: 1_700_000_000_000.5,
        parent: { traceId: TRACE, spanId: PARENT, isRemote: true },
        failure: undefined,
      },
    ]);
    expect(span.traceparent).toBe(`00-${TRACE}-${kept[0]!.context.spanId}-01`);
    expect(span.sampledTraceId).toBe(TRACE);
  });

  test("a hop keeps the flag that the trace id is random", () => {
    startRecording({ ratio: 0 });
    const flags = (parent: string) => startSpan("publish", { parent }).traceparent!.slice(-2);
    for (const flag of ["00", "01", "02", "03"]) expect(flags(`00-${TRACE}-${PARENT}-${flag}`)).toBe(flag);
  });

  test("a span without a valid parent starts a new trace", () => {
    const kept = startRecording();
    for (const parent of [undefined, null, "garbage"]) startSpan("write", { parent }).end();
    expect(kept.map(({ parent }) => parent)).toEqual([undefined, undefined, undefined]);
    expect(new Set(kept.map(({ context }) => context.traceId)).size).toBe(3);
  });

  test("a span has the real duration, and its times are within 3 ms of the system clock", async () => {
    const kept = startRecording();
    const before = Date.now();
    const span = startSpan("sleep", {});
    await Bun.sleep(20);
    span.end();
    const { startMs, endMs } = kept[0]!;
    expect(endMs - startMs).toBeGreaterThan(15);
    expect(startMs).toBeGreaterThan(before - 3);
    expect(endMs).toBeLessThan(Date.now() + 3);
  });

  test("a failed span has its error, and ends once", () => {
    const kept = startRecording();
    const span = startSpan("publish", {});
    span.end(new Error("the broker is unavailable"));
    span.setAttributes({ late: true });
    span.end();
    expect(kept).toMatchObject([{ failure: "the broker is unavailable", attributes: { "error.type": "Error" } }]);
  });

  test("withSpan ends the span, and an error fails the span and reaches the caller", async () => {
    const kept = startRecording();
    expect(await withSpan("succeeds", {}, async (span) => traceIdOf(span.traceparent))).toHaveLength(32);
    await expect(withSpan("fails", {}, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(kept.map(({ name, failure }) => [name, failure !== undefined])).toEqual([
      ["succeeds", false],
      ["fails", true],
    ]);
  });

  test("a span keeps 128 links and counts the others", () => {
    const kept = startRecording();
    const span = startSpan("apply", {});
    span.addLink("garbage");
    for (let i = 0; i < MAX_LINKS + 3; i++) span.addLink(newTraceparent());
    span.end();
    expect(kept[0]!.links).toHaveLength(MAX_LINKS);
    expect(kept[0]!.linksLeftOut).toBe(3);
  });
});

describe("sampling", () => {
  test("follows the ratio where a trace starts, and all later hops follow the flag", () => {
    const kept = startRecording({ ratio: 0.25 });
    let flagged = 0;
    for (let i = 0; i < 4_000; i++) {
      const root = startSpan("write", {});
      const child = startSpan("publish", { parent: root.traceparent });
      child.end();
      root.end();
      expect(child.sampledTraceId).toBe(root.sampledTraceId);
      if (root.traceparent!.endsWith("-01")) flagged++;
    }
    expect(kept).toHaveLength(2 * flagged);
    // The standard deviation is 27, so a difference above 150 has a probability of 1 in 10 million.
    expect(Math.abs(flagged - 1_000)).toBeLessThan(150);
  });

  test("follows the client's flag, independently of the ratio", () => {
    const all = startRecording({ ratio: 1 });
    startSpan("write", { parent: unsampled }).end();
    expect(all).toBeEmpty();
    const none = startRecording({ ratio: 0 });
    startSpan("write", { parent: sampled }).end();
    expect(none).toHaveLength(1);
  });

  test("includes a failed span of an unsampled trace, with its parent, and marks it", () => {
    let droppedSpans = 0;
    const kept = startRecording({ ratio: 0, onDropped: () => droppedSpans++ });
    const root = startSpan("write", {});
    const child = startSpan("insert", { parent: root.traceparent });
    child.end(new Error("no connection"));
    expect(traceIdOf(child.traceparent)).toBe(traceIdOf(root.traceparent));
    expect(child.traceparent).toEndWith("-00");
    root.end();
    expect(root.sampledTraceId).toBeUndefined();
    expect(child.sampledTraceId).toBe(traceIdOf(root.traceparent));
    expect(droppedSpans).toBe(1);
    expect(kept).toMatchObject([{ name: "insert", attributes: { "lockstep.kept": "failed" } }]);
    expect(kept[0]!.parent?.spanId).toBe(root.traceparent!.split("-")[2]!);
  });

  test("includes slow spans, and the last span of a slow write", () => {
    const kept = startRecording({ ratio: 0, slowMs: 1_000 });
    const ago = (ms: number) => Date.now() - ms;
    startSpan("fast", { startMs: ago(100) }).end();
    startSpan("slow", { startMs: ago(1_500) }).end();
    startSpan("end of a slow write", { startMs: ago(1), writeStartMs: ago(1_500) }).end();
    expect(kept.map(({ name, attributes }) => [name, attributes["lockstep.kept"]])).toEqual([
      ["slow", "slow"],
      ["end of a slow write", "slow"],
    ]);
  });
});

describe("the spans of a batch", () => {
  const traceparentOf = (traceId: string, spanId: string) => `00-${traceId}-${spanId}-01`;
  const [first, second] = ["1".repeat(32), "2".repeat(32)];
  const spans = () => new BatchSpans("apply", { kind: SpanKind.CONSUMER, attributes: { topic: "t" } });

  test("are one per trace: the hop of its first message is the parent, other hops are links", () => {
    const kept = startRecording();
    const batch = spans();
    const [a, b, c] = ["a".repeat(16), "b".repeat(16), "c".repeat(16)];
    const parents = [
      traceparentOf(first, a),
      traceparentOf(first, a),
      traceparentOf(second, c),
      traceparentOf(first, b),
      traceparentOf(first, b),
    ];
    const of = parents.map((parent, offset) => batch.spanFor({ parent, attributes: { offset } }));
    expect([of[1], of[3], of[4]]).toEqual([of[0], of[0], of[0]]);
    expect(of[2]).not.toBe(of[0]);
    batch.end();
    expect(kept).toMatchObject([
      {
        parent: { traceId: first, spanId: a },
        links: [{ traceId: first, spanId: b }],
        attributes: { topic: "t", "messaging.batch.message_count": 4 },
      },
      { parent: { traceId: second, spanId: c }, links: [], attributes: { topic: "t", offset: 2 } },
    ]);
    expect(kept[0]!.attributes).not.toHaveProperty("offset");
  });

  test("without a trace are one per group key, and one per message without a key", () => {
    const kept = startRecording();
    const batch = spans();
    for (const groupKey of ["7", "8", "7"]) batch.spanFor({ parent: null, groupKey, attributes: {} });
    for (let i = 0; i < 2; i++) batch.spanFor({ parent: undefined, attributes: {} });
    batch.end();
    expect(kept).toHaveLength(4);
    expect(new Set(kept.map(({ context }) => context.traceId)).size).toBe(4);
  });

  test("with tracing off propagate each message's own context", () => {
    const batch = spans();
    expect(batch.spanFor({ parent: sampled, attributes: {} }).traceparent).toBe(sampled);
    expect(batch.spanFor({ parent: null, groupKey: "7", attributes: {} }).traceparent).toBeUndefined();
    batch.end();
  });
});
