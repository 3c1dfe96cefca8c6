/** Metrics, spans and log lines of the apply steps, so that the steps themselves contain none. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import { replicaGroup } from "../../contracts/topics.ts";
import { BatchSpans } from "../../observability/batch-spans.ts";
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";
import { type ActiveSpan, isTracing, SpanKind, startSpan, traceIdOf } from "../../observability/trace.ts";
import type { ReceivedEvent } from "../decode.ts";
import { type ApplyMetrics, applyMetricsOf } from "./apply-metrics.ts";
import type { Outcome } from "./reduce.ts";
import { TableRejectsError } from "./rejection-tracker.ts";

/** When a batch became readable, in milliseconds since 1970. */
export interface ReadableTimes {
  readonly appliedMs: number;
  /** Undefined: the batch is not in the cache. */
  readonly cachedMs: number | undefined;
}

/** Observes one entity's consumer. */
export class ApplyObserver {
  private readonly metrics: ApplyMetrics;
  private readonly spanName: string;
  private readonly spanOptions: ConstructorParameters<typeof BatchSpans>[1];

  constructor(
    private readonly deps: { readonly logger: Logger; readonly metrics: Metrics },
    private readonly entity: EntityDeclaration,
    replica: ReplicaDeclaration,
    topic: string,
  ) {
    this.metrics = applyMetricsOf(entity, replica.name, deps.metrics);
    this.spanName = `apply ${topic}`;
    this.spanOptions = {
      kind: SpanKind.CONSUMER,
      attributes: {
        "messaging.system": "kafka",
        "messaging.operation.name": "apply",
        "messaging.operation.type": "process",
        "messaging.destination.name": topic,
        "messaging.consumer.group.name": replicaGroup(entity, replica.name),
        "lockstep.replica": replica.name,
      },
    };
  }

  /** Records that are not events. */
  onUnreadable(records: number): void {
    if (records > 0) this.metrics.count("invalid", records);
  }

  /** Events without an effect because their entity's newest event was rejected. */
  onSkipped(outcome: "duplicate" | "stale", events: number): void {
    if (events > 0) this.metrics.count(outcome, events);
  }

  /** The database failed: none of the events is known to be applied, and the log delivers them again. */
  onFailed(events: readonly ReceivedEvent[], error: unknown): void {
    if (error instanceof TableRejectsError)
      this.deps.logger.error({ err: error }, "the consumer pauses until the table accepts rows");
    this.startSpans(events).all.end(error);
  }

  /** The table rejected an event; it becomes a dead letter. */
  onRejected(event: ReceivedEvent, detail: string): void {
    this.metrics.count("unappliable", 1);
    this.startSpans([event]).all.end(new Error(detail));
    const { topic, partition, offset } = event.record;
    const { id, version } = event;
    const traceId = traceIdOf(event.traceparent);
    this.deps.logger.warn(
      { topic, partition, offset, id, version, traceId, detail },
      "the replica's table rejected an event; it becomes a dead letter",
    );
  }

  /** Events are applied, each with its outcome, and in the cache when `cachedMs` is set. */
  onApplied(events: readonly ReceivedEvent[], outcomes: readonly Outcome[], times: ReadableTimes): void {
    const { appliedMs, cachedMs } = times;
    const { all, each } = this.startSpans(events, outcomes);
    if (cachedMs !== undefined)
      for (const { traceparent } of all)
        startSpan(`cache ${this.entity.plural}`, {
          parent: traceparent,
          kind: SpanKind.CLIENT,
          startMs: appliedMs,
          attributes: { "db.system.name": "redis", "db.operation.name": "store" },
        }).end();
    all.end();
    const counts: Record<Outcome, number> = { applied: 0, duplicate: 0, stale: 0 };
    for (const outcome of outcomes) counts[outcome]++;
    for (const [outcome, count] of Object.entries(counts)) if (count > 0) this.metrics.count(outcome as Outcome, count);
    for (let i = 0; i < events.length; ) {
      const { committedMs } = events[i]!;
      const traceId = each[i]?.sampledTraceId;
      // The rows of a transaction follow each other, and have the time of its commit.
      let applied = 0;
      do if (outcomes[i++] === "applied") applied++;
      while (i < events.length && events[i]!.committedMs === committedMs && each[i]?.sampledTraceId === traceId);
      if (applied === 0) continue;
      this.metrics.observeLatency("postgres", committedMs, appliedMs, traceId, applied);
      if (cachedMs !== undefined) this.metrics.observeLatency("redis", committedMs, cachedMs, traceId, applied);
    }
  }

  /** @returns the spans of a batch, one per trace, and the span of each event; `each` is empty while tracing is off. */
  private startSpans(
    events: readonly ReceivedEvent[],
    outcomes?: readonly Outcome[],
  ): { all: BatchSpans; each: ActiveSpan[] } {
    const all = new BatchSpans(this.spanName, this.spanOptions);
    if (!isTracing()) return { all, each: [] };
    const each = events.map(({ traceparent, committedMs, receivedMs, version, record }, i) =>
      all.spanFor({
        parent: traceparent,
        startMs: receivedMs,
        writeStartMs: committedMs,
        attributes: {
          "messaging.destination.partition.id": String(record.partition),
          "messaging.kafka.offset": record.offset,
          "lockstep.entity.version": version,
          ...(outcomes ? { "lockstep.outcome": outcomes[i]! } : {}),
        },
      }),
    );
    return { all, each };
  }
}
