import { afterEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { recordHere } from "../tests/harness/recorded-spans.ts";
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
  test("is taken as it is when it is valid", () => {
    for (const value of [sampled, `00-${TRACE}-${PARENT}-00`, `00-${TRACE}-${PARENT}-03`])
      expect(validTraceparent(value)).toBe(value);
  });

  test("of a later version is read by its first four members and handed on as version 00", () => {
    expect(validTraceparent(`01-${TRACE}-${PARENT}-01`)).toBe(sampled);
    expect(validTraceparent(`cc-${TRACE}-${PARENT}-01-what-the-future-brings`)).toBe(sampled);
  });

  test("loses flags that are not known", () => {
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

  test("that comes out is valid, whatever came in", () => {
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

  test("made for a write without one is valid, new each time and not sampled", () => {
    const made = newTraceparent();
    expect(validTraceparent(made)).toBe(made);
    expect(made).toEndWith("-00");
    expect(newTraceparent()).not.toBe(made);
  });
});

describe("with tracing off", () => {
  test("a span hands its parent on", () => {
    const span = startSpan("publish", { parent: sampled });
    expect(span.traceparent).toBe(sampled);
    span.setAttributes({ key: "value" });
    span.end(new Error("no matter"));
  });

  test("a span without a valid parent has nothing to hand on", () => {
    expect(startSpan("publish", {}).traceparent).toBeUndefined();
    expect(startSpan("publish", { parent: "garbage" }).traceparent).toBeUndefined();
  });
});

describe("with tracing on", () => {
  test("a span is the parent's child and hands itself on", () => {
    const kept = recordHere();
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

  test("a hop says of the trace's id what the one before said", () => {
    recordHere({ ratio: 0 });
    const flags = (parent: string) => startSpan("publish", { parent }).traceparent!.slice(-2);
    for (const flag of ["00", "01", "02", "03"]) expect(flags(`00-${TRACE}-${PARENT}-${flag}`)).toBe(flag);
  });

  test("a span without a valid parent begins a trace of its own", () => {
    const kept = recordHere();
    for (const parent of [undefined, null, "garbage"]) startSpan("write", { parent }).end();
    expect(kept.map(({ parent }) => parent)).toEqual([undefined, undefined, undefined]);
    expect(new Set(kept.map(({ context }) => context.traceId)).size).toBe(3);
  });

  test("a span takes the time that it takes, by a clock finer than a millisecond and no further from the calendar's", async () => {
    const kept = recordHere();
    const before = Date.now();
    const span = startSpan("nap", {});
    await Bun.sleep(20);
    span.end();
    const { startMs, endMs } = kept[0]!;
    expect(endMs - startMs).toBeGreaterThan(15);
    expect(startMs).toBeGreaterThan(before - 3);
    expect(endMs).toBeLessThan(Date.now() + 3);
  });

  test("a failed span says why, and ends once", () => {
    const kept = recordHere();
    const span = startSpan("publish", {});
    span.end(new Error("the broker is away"));
    span.setAttributes({ late: true });
    span.end();
    expect(kept).toMatchObject([{ failure: "the broker is away", attributes: { "error.type": "Error" } }]);
  });

  test("work inside a span ends it, and its failure is the span's and the caller's", async () => {
    const kept = recordHere();
    expect(await withSpan("good", {}, async (span) => traceIdOf(span.traceparent))).toHaveLength(32);
    await expect(withSpan("bad", {}, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(kept.map(({ name, failure }) => [name, failure !== undefined])).toEqual([
      ["good", false],
      ["bad", true],
    ]);
  });

  test("links are 128 at most, and how many more there were", () => {
    const kept = recordHere();
    const span = startSpan("apply", {});
    span.addLink("garbage");
    for (let i = 0; i < MAX_LINKS + 3; i++) span.addLink(newTraceparent());
    span.end();
    expect(kept[0]!.links).toHaveLength(MAX_LINKS);
    expect(kept[0]!.linksLeftOut).toBe(3);
  });
});

describe("what is kept", () => {
  test("is decided where a trace begins, by the ratio, and told to the hops after it", () => {
    const kept = recordHere({ ratio: 0.25 });
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
    // 27 is the standard deviation: further off than 150 comes once in ten million runs.
    expect(Math.abs(flagged - 1_000)).toBeLessThan(150);
  });

  test("is what the client says where it began the trace, whatever the ratio", () => {
    const all = recordHere({ ratio: 1 });
    startSpan("write", { parent: unsampled }).end();
    expect(all).toBeEmpty();
    const none = recordHere({ ratio: 0 });
    startSpan("write", { parent: sampled }).end();
    expect(none).toHaveLength(1);
  });

  test("is also a failed span of a trace that is not, with its place in it, and it says so", () => {
    let left = 0;
    const kept = recordHere({ ratio: 0, onDropped: () => left++ });
    const root = startSpan("write", {});
    const child = startSpan("insert", { parent: root.traceparent });
    child.end(new Error("no connection"));
    expect(traceIdOf(child.traceparent)).toBe(traceIdOf(root.traceparent));
    expect(child.traceparent).toEndWith("-00");
    root.end();
    expect(root.sampledTraceId).toBeUndefined();
    expect(child.sampledTraceId).toBe(traceIdOf(root.traceparent));
    expect(left).toBe(1);
    expect(kept).toMatchObject([{ name: "insert", attributes: { "lockstep.kept": "failed" } }]);
    expect(kept[0]!.parent?.spanId).toBe(root.traceparent!.split("-")[2]!);
  });

  test("is also a slow span, and the last one of a slow write", () => {
    const kept = recordHere({ ratio: 0, slowMs: 1_000 });
    const ago = (ms: number) => Date.now() - ms;
    startSpan("quick", { startMs: ago(100) }).end();
    startSpan("slow", { startMs: ago(1_500) }).end();
    startSpan("end of a slow write", { startMs: ago(1), writeStartMs: ago(1_500) }).end();
    expect(kept.map(({ name, attributes }) => [name, attributes["lockstep.kept"]])).toEqual([
      ["slow", "slow"],
      ["end of a slow write", "slow"],
    ]);
  });
});

describe("the spans of a batch", () => {
  const under = (traceId: string, spanId: string) => `00-${traceId}-${spanId}-01`;
  const [first, second] = ["1".repeat(32), "2".repeat(32)];
  const spans = () => new BatchSpans("apply", { kind: SpanKind.CONSUMER, attributes: { topic: "t" } });

  test("are one for each trace: its first message's hop is the parent, hops of the others are links", () => {
    const kept = recordHere();
    const batch = spans();
    const [a, b, c] = ["a".repeat(16), "b".repeat(16), "c".repeat(16)];
    const parents = [under(first, a), under(first, a), under(second, c), under(first, b), under(first, b)];
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

  test("without a trace are one for what belongs together, and one for each that stands alone", () => {
    const kept = recordHere();
    const batch = spans();
    for (const groupKey of ["7", "8", "7"]) batch.spanFor({ parent: null, groupKey, attributes: {} });
    for (let i = 0; i < 2; i++) batch.spanFor({ parent: undefined, attributes: {} });
    batch.end();
    expect(kept).toHaveLength(4);
    expect(new Set(kept.map(({ context }) => context.traceId)).size).toBe(4);
  });

  test("with tracing off hand each message's own context on", () => {
    const batch = spans();
    expect(batch.spanFor({ parent: sampled, attributes: {} }).traceparent).toBe(sampled);
    expect(batch.spanFor({ parent: null, groupKey: "7", attributes: {} }).traceparent).toBeUndefined();
    batch.end();
  });
});
