import { afterEach, describe, expect, test } from "bun:test";
import {
  AlwaysOnSampler,
  InMemorySpanExporter,
  ParentBasedSampler,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import fc from "fast-check";
import { inSpan, newTraceparent, recordSpans, SpanKind, startSpan, traceIdOf, validTraceparent } from "./trace.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const sampled = `00-${TRACE}-${PARENT}-01`;

/** Tracing as a process with an endpoint has it, with the spans kept here. */
function record(): InMemorySpanExporter {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  });
  recordSpans(provider.getTracer("test"));
  return exporter;
}

afterEach(() => recordSpans(undefined));

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
    span.set({ key: "value" });
    span.end(new Error("no matter"));
  });

  test("a span without a valid parent has nothing to hand on", () => {
    expect(startSpan("publish", {}).traceparent).toBeUndefined();
    expect(startSpan("publish", { parent: "garbage" }).traceparent).toBeUndefined();
  });
});

describe("with tracing on", () => {
  test("a span is the parent's child and hands itself on", () => {
    const exporter = record();
    const span = startSpan("publish", {
      parent: sampled,
      kind: SpanKind.PRODUCER,
      attributes: { a: 1 },
      // A number below the age of this process would be taken for one of its clock, not of the calendar.
      startMs: 1_700_000_000_000,
    });
    span.set({ b: "two" });
    span.end();
    const [seen] = exporter.getFinishedSpans();
    expect(seen).toMatchObject({
      name: "publish",
      kind: SpanKind.PRODUCER,
      attributes: { a: 1, b: "two" },
      startTime: [1_700_000_000, 0],
      parentSpanContext: { traceId: TRACE, spanId: PARENT, isRemote: true },
    });
    expect(span.traceparent).toBe(`00-${TRACE}-${seen?.spanContext().spanId}-01`);
  });

  test("a span without a valid parent begins a trace of its own", () => {
    const exporter = record();
    for (const parent of [undefined, null, "garbage"]) startSpan("write", { parent }).end();
    const spans = exporter.getFinishedSpans();
    expect(spans.map((s) => s.parentSpanContext)).toEqual([undefined, undefined, undefined]);
    expect(new Set(spans.map((s) => s.spanContext().traceId)).size).toBe(3);
  });

  test("nothing is recorded under a parent that is not sampled, and the parent is handed on", () => {
    const exporter = record();
    const parent = newTraceparent();
    const span = startSpan("publish", { parent });
    span.end();
    expect(span.traceparent).toBe(parent);
    expect(exporter.getFinishedSpans()).toBeEmpty();
  });

  test("a failed span says why, and ends once", () => {
    const exporter = record();
    const span = startSpan("publish", {});
    span.end(new Error("the broker is away"));
    span.end();
    expect(exporter.getFinishedSpans()).toMatchObject([
      { status: { code: 2, message: "the broker is away" }, events: [{ name: "exception" }] },
    ]);
  });

  test("work inside a span ends it, and its failure is the span's and the caller's", async () => {
    const exporter = record();
    expect(await inSpan("good", {}, async (span) => traceIdOf(span.traceparent))).toHaveLength(32);
    await expect(inSpan("bad", {}, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(exporter.getFinishedSpans().map((s) => [s.name, s.status.code])).toEqual([
      ["good", 0],
      ["bad", 2],
    ]);
  });
});
