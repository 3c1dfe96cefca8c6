/**
 * The spans of one batch at one hop: one span per trace, however many messages of the trace are in the batch. So a
 * transaction of 500 rows is one trace of some twenty spans, and 500 separate writes in one batch keep a trace each.
 *
 * Messages of one trace may come from several spans of the previous hop, one per partition. The first is the parent,
 * the others become links.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
 */
import type { Attributes } from "@opentelemetry/api";
import { type ActiveSpan, isTracing, type SpanOptions, startSpan, traceIdOf } from "./trace.ts";

/** One message of a batch. */
export interface BatchMessage extends Pick<SpanOptions, "startMs" | "writeStartMs"> {
  /** Its `traceparent`. */
  readonly parent: string | null | undefined;
  /** Messages without a trace and with the same key share a span. Undefined: the message has its own span. */
  readonly groupKey?: string;
  /** Attributes of the span if it covers only this message. */
  readonly attributes: Attributes;
}

interface Group {
  readonly span: ActiveSpan;
  readonly parents: Set<string>;
  readonly first: BatchMessage;
  count: number;
}

/** Starts and ends the spans of one batch. Iterating it returns each span once. */
export class BatchSpans {
  private readonly groups = new Map<string, Group>();

  constructor(
    private readonly name: string,
    private readonly options: Pick<SpanOptions, "kind" | "attributes">,
  ) {}

  /** The span that covers this message. Call it once per message. */
  spanFor(message: BatchMessage): ActiveSpan {
    const { parent } = message;
    if (!isTracing()) return startSpan(this.name, { parent });
    const key = traceIdOf(parent) ?? message.groupKey ?? `single ${this.groups.size}`;
    const group = this.groups.get(key);
    if (!group) return this.startGroup(key, message);
    group.count++;
    if (parent && !group.parents.has(parent)) {
      group.parents.add(parent);
      group.span.addLink(parent);
    }
    return group.span;
  }

  /** Ends all spans. With an error they end as failed. */
  end(error?: unknown): void {
    for (const { span, first, count } of this.groups.values()) {
      span.setAttributes(count === 1 ? first.attributes : { "messaging.batch.message_count": count });
      span.end(error);
    }
  }

  *[Symbol.iterator](): Iterator<ActiveSpan> {
    for (const { span } of this.groups.values()) yield span;
  }

  private startGroup(key: string, first: BatchMessage): ActiveSpan {
    const { parent, startMs, writeStartMs } = first;
    const span = startSpan(this.name, {
      ...this.options,
      parent,
      ...(startMs === undefined ? {} : { startMs }),
      ...(writeStartMs === undefined ? {} : { writeStartMs }),
    });
    this.groups.set(key, { span, first, count: 1, parents: new Set(parent ? [parent] : []) });
    return span;
  }
}
