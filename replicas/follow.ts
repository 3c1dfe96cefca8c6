/** The replica's loop on one screen: decode → reduce → fence, apply, store → count. The log remembers what is done when it resolves. */
import type { EntityDeclaration, ReplicaDeclaration } from "../contracts/entity.ts";
import { decodeRouted, NewerSchemaVersionError, type RoutedEvent } from "../contracts/event.ts";
import { replicaGroup, replicaTopic } from "../contracts/topics.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { SpanKind, startSpan } from "../observability/trace.ts";
import { isAway } from "../platform/database.ts";
import type { Batch, StoredRecord } from "../platform/log/log.ts";
import { isId } from "../platform/pages.ts";
import type { Applied, Applier } from "./applier.ts";
import { Gather } from "./gather.ts";
import type { Lag } from "./lag.ts";
import type { Receipts } from "./receipts.ts";
import { type Outcome, outcomes, reduce } from "./reduce.ts";

/** Rows in one statement: 2,000 take some 80 ms, and more at a time were no faster. */
const MOST_ROWS = 2_000;

/** An event on its way, with where it came from and when it was received. */
interface Arrived extends RoutedEvent {
  readonly record: StoredRecord;
  readonly atMs: number;
}

export interface FollowParts {
  readonly applier: Pick<Applier, "apply">;
  readonly lag: Lag;
  readonly receipts: Pick<Receipts, "add">;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Follows one entity's topic for one replica. */
export class EntityFollower {
  readonly topic: string;
  private readonly gather = new Gather<Arrived>(
    (events) => this.take(events),
    MOST_ROWS,
    (error) => !isAway(error),
  );

  constructor(
    private readonly using: FollowParts,
    readonly entity: EntityDeclaration,
    readonly replica: ReplicaDeclaration,
  ) {
    this.topic = replicaTopic(entity, replica.name).name;
  }

  /** @throws {NewerSchemaVersionError}, and what the database says: the batch must come again. */
  async process(batch: Batch): Promise<void> {
    const { lag, metrics } = this.using;
    lag.received(batch);
    const events = batch.records.flatMap((record) => this.decode(record));
    if (events.length > 0) await this.gather.add(events);
    lag.applied(batch, Date.now());
    const next = (batch.records.at(-1)?.offset ?? -1) + 1;
    metrics.consumerLag.set(
      { group: replicaGroup(this.replica.name), partition: String(batch.partition) },
      Math.max(0, batch.highWatermark - next),
    );
  }

  /** The stream is the topic's only writer. What is none of its events says nothing about an entity, and must not block those that do. */
  private decode(record: StoredRecord): Arrived[] {
    try {
      const event = decodeRouted(record, this);
      if (!isId(event.id)) throw new Error(`the key ${JSON.stringify(event.id)} is no entity id`);
      return [{ ...event, record, atMs: Date.now() }];
    } catch (error) {
      // Whoever is upgraded reads on from here: until then it waits.
      if (error instanceof NewerSchemaVersionError) throw error;
      const { topic, partition, offset } = record;
      this.using.logger.error({ err: error, topic, partition, offset }, "a record that is no event was skipped");
      this.count("invalid");
      return [];
    }
  }

  private async take(events: readonly Arrived[]): Promise<void> {
    const changes = reduce(events);
    const byId = Map.groupBy(events, ({ id }) => id);
    for (let i = 0; i < changes.length; i += MOST_ROWS) {
      const chunk = changes.slice(i, i + MOST_ROWS);
      await this.takeChunk(
        chunk,
        chunk.flatMap(({ id }) => byId.get(id) ?? []),
      );
    }
  }

  private async takeChunk(changes: readonly Arrived[], events: readonly Arrived[]): Promise<void> {
    let applied: Applied;
    try {
      applied = await this.using.applier.apply(changes);
    } catch (error) {
      for (const event of events) this.span(event).end(error);
      throw error;
    }
    const appliedMs = Date.now();
    const cached = await applied.store();
    const storedMs = Date.now();
    this.using.receipts.add({
      replica: this.replica.name,
      entity: this.entity.name,
      appliedMs,
      cachedMs: cached ? storedMs : null,
      changes: changes.map(({ id, version, time }) => [id, applied.nothingNew.get(id) ?? version, Date.parse(time)]),
    });
    for (const [i, outcome] of outcomes(events, applied.nothingNew).entries())
      this.tell(events[i]!, outcome, appliedMs, cached ? storedMs : undefined);
  }

  private tell(event: Arrived, outcome: Outcome, appliedMs: number, storedMs: number | undefined): void {
    this.count(outcome);
    const span = this.span(event);
    span.set({ "lockstep.outcome": outcome });
    if (outcome === "applied") {
      const { syncLatency } = this.using.metrics;
      const committedMs = Date.parse(event.time);
      const replica = this.replica.name;
      syncLatency.observe({ replica, store: "postgres" }, Math.max(0, appliedMs - committedMs) / 1_000);
      if (storedMs !== undefined)
        syncLatency.observe({ replica, store: "redis" }, Math.max(0, storedMs - committedMs) / 1_000);
    }
    if (storedMs !== undefined)
      startSpan(`cache ${this.entity.plural}`, {
        parent: span.traceparent,
        kind: SpanKind.CLIENT,
        startMs: appliedMs,
        attributes: { "db.system.name": "redis", "db.operation.name": "store" },
      }).end();
    span.end();
  }

  private span(event: Arrived) {
    const { topic, partition, offset } = event.record;
    return startSpan(`apply ${topic}`, {
      parent: event.traceparent,
      kind: SpanKind.CONSUMER,
      startMs: event.atMs,
      attributes: {
        "messaging.system": "kafka",
        "messaging.operation.name": "apply",
        "messaging.operation.type": "process",
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": String(partition),
        "messaging.kafka.offset": offset,
        "lockstep.replica": this.replica.name,
        "lockstep.entity.version": event.version,
      },
    });
  }

  private count(outcome: Outcome | "invalid"): void {
    this.using.metrics.replicaApplied.inc({ replica: this.replica.name, outcome });
  }
}
