/**
 * The spans of one batch at one hop: one for each trace, however many of its messages are in the batch. A transaction of 500 rows is
 * then a trace of some twenty spans, and each of 500 writes that happen to share a batch keeps a trace of its own.
 *
 * A trace's messages may come from several spans of the hop before, one for each partition: the first is the parent, the others are
 * links.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
 */
import type { Attributes } from "@opentelemetry/api";
import { type ActiveSpan, isTracing, type SpanOptions, startSpan, traceIdOf } from "./trace.ts";

export interface Message {
  /** `traceparent` that it came with. */
  readonly parent: string | null | undefined;
  /** What those without a trace have in common that belong together; undefined: it stands alone. */
  readonly together?: string;
  /** Said of the span only where the message is its trace's only one in the batch. */
  readonly attributes: Attributes;
  /** As in {@link SpanOptions}. */
  readonly startMs?: number;
  readonly sinceMs?: number;
}

interface Group {
  readonly span: ActiveSpan;
  readonly parents: Set<string>;
  readonly first: Message;
  count: number;
}

export class BatchSpans {
  private readonly groups = new Map<string, Group>();

  constructor(
    private readonly name: string,
    private readonly options: Pick<SpanOptions, "kind" | "attributes">,
  ) {}

  /** The span that this message is handled in. To be asked once for each message. */
  of(message: Message): ActiveSpan {
    const { parent } = message;
    if (!isTracing()) return startSpan(this.name, { parent });
    const key = traceIdOf(parent) ?? message.together ?? `alone ${this.groups.size}`;
    const group = this.groups.get(key);
    if (!group) return this.begin(key, message);
    group.count++;
    if (parent && !group.parents.has(parent)) {
      group.parents.add(parent);
      group.span.link(parent);
    }
    return group.span;
  }

  /** Ends all of them, as failed when there is an error. */
  end(error?: unknown): void {
    for (const { span, first, count } of this.groups.values()) {
      span.set(count === 1 ? first.attributes : { "messaging.batch.message_count": count });
      span.end(error);
    }
  }

  /** Each span, as often as there are traces. */
  *[Symbol.iterator](): Iterator<ActiveSpan> {
    for (const { span } of this.groups.values()) yield span;
  }

  private begin(key: string, first: Message): ActiveSpan {
    const { parent, startMs, sinceMs } = first;
    const span = startSpan(this.name, {
      ...this.options,
      parent,
      ...(startMs === undefined ? {} : { startMs }),
      ...(sinceMs === undefined ? {} : { sinceMs }),
    });
    this.groups.set(key, { span, first, count: 1, parents: new Set(parent ? [parent] : []) });
    return span;
  }
}
