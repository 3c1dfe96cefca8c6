/** Trace spans around the steps of one chunk of input: one for each trace that has events in it. */
import type { EntityEvent } from "../contracts/event.ts";
import type { TopicPartition } from "../kafka/log.ts";
import { BatchSpans } from "../observability/batch-spans.ts";
import { isTracing, SpanKind, validTraceparent } from "../observability/trace.ts";

/** Options of all spans of one partition. */
export type RouteSpanOptions = ConstructorParameters<typeof BatchSpans>;

/** Returns the options of a partition. @param group consumer group of the stream. */
export const routeSpanOptions = ({ topic, partition }: TopicPartition, group: string): RouteSpanOptions => [
  `route ${topic}`,
  {
    kind: SpanKind.CONSUMER,
    attributes: {
      "messaging.system": "kafka",
      "messaging.operation.name": "route",
      "messaging.operation.type": "process",
      "messaging.destination.name": topic,
      "messaging.destination.partition.id": String(partition),
      "messaging.consumer.group.name": group,
    },
  },
];

/** The spans begin with {@link traceparentOf} and end when the outputs are stored. */
export class RouteSpans {
  private readonly spans: BatchSpans;

  constructor(options: RouteSpanOptions) {
    this.spans = new BatchSpans(...options);
  }

  /** Starts the event's span unless its trace has one. @returns the span's context, for the headers of the outputs. */
  readonly traceparentOf = (event: EntityEvent, offset: number, replicas: string[]): string | undefined => {
    if (!isTracing()) return validTraceparent(event.traceparent);
    return this.spans.spanFor({
      parent: event.traceparent,
      writeStartMs: Date.parse(event.time),
      attributes: {
        "messaging.kafka.offset": offset,
        "lockstep.entity.version": event.version,
        "lockstep.replicas": replicas,
      },
    }).traceparent;
  };

  /**
   * Waits for `work`, then ends all spans; they end as failed when `work` rejects.
   *
   * @throws whatever `work` rejects with.
   */
  async endAfter(work: Promise<void>): Promise<void> {
    try {
      await work;
      this.spans.end();
    } catch (error) {
      this.spans.end(error);
      throw error;
    }
  }
}
