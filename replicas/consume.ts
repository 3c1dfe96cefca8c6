/** The replica's loop on one screen: decode → reduce → fence, apply, store → count → dead letters. The log remembers what is done when it resolves. */
import { type DeadLetterCause, encodeDeadLetter } from "../contracts/dead-letter.ts";
import type { EntityDeclaration, ReplicaDeclaration } from "../contracts/entity/declaration.ts";
import { isId } from "../contracts/pages.ts";
import { decodeRouted, NewerSchemaVersionError, type RoutedEvent } from "../contracts/routed-event.ts";
import { replicaGroup, replicaTopic } from "../contracts/topics.ts";
import type { Batch, StoredRecord } from "../kafka/log.ts";
import { BatchSpans } from "../observability/batch-spans.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { type ActiveSpan, isTracing, SpanKind, startSpan, traceIdOf } from "../observability/trace.ts";
import type { ConsumerLags } from "../pipeline/consumer-lags.ts";
import { isUnavailable } from "../platform/postgres/errors.ts";
import type { Applied, Applier } from "./apply/applier.ts";
import { type ApplyMetrics, applyMetricsOf } from "./apply/apply-metrics.ts";
import { type Outcome, outcomes, reduce } from "./apply/reduce.ts";
import { type Rejection, TableRejectsError } from "./apply/rejection-tracker.ts";
import { type DeadLetterWriter, unappliable, unreadable } from "./dead-letters.ts";
import { Gather } from "./gather.ts";
import type { Lag } from "./lag.ts";
import type { Receipts } from "./receipts.ts";

/** Events that are reduced together: the more there are, the more are of the same entities. */
const MOST_EVENTS = 4_000;
/** Rows in one statement: 2,000 take some 80 ms, and up to 1.6 s where many are refused; more at a time were no faster. */
const MOST_ROWS = 2_000;
/** Older events of an entity that are tried, one after the other, when its newest is refused. */
const MOST_OLDER = 3;

/** An event on its way, with where it came from and when it was received. */
interface Arrived extends RoutedEvent {
  readonly record: StoredRecord;
  readonly atMs: number;
  /** When the source committed it. */
  readonly committedMs: number;
}

/** When a batch was readable in the two stores, milliseconds since 1970. */
interface Times {
  readonly appliedMs: number;
  /** Undefined while the cache is off. */
  readonly storedMs: number | undefined;
}

export interface EntityConsumerDeps {
  readonly letters: Pick<DeadLetterWriter, "send">;
  readonly applier: Pick<Applier, "apply">;
  readonly lag: Lag;
  readonly receipts: Pick<Receipts, "add">;
  readonly lags: Pick<ConsumerLags, "set">;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Follows one entity's topic for one replica. */
export class EntityConsumer {
  readonly topic: string;
  private readonly told: ApplyMetrics;
  private readonly gather = new Gather<Arrived>(
    (events) => this.take(events),
    MOST_EVENTS,
    (error) => !isUnavailable(error) && !(error instanceof TableRejectsError),
  );
  /** Records that cannot be applied, and why: dead letters, once their batch is done with. */
  private readonly refusals = new WeakMap<StoredRecord, DeadLetterCause>();
  /** Why nothing can be applied at all, for people; undefined while all is well. */
  tableProblem: string | undefined;

  constructor(
    private readonly deps: EntityConsumerDeps,
    readonly entity: EntityDeclaration,
    readonly replica: ReplicaDeclaration,
  ) {
    this.topic = replicaTopic(entity, replica.name).name;
    this.told = applyMetricsOf(entity, replica.name, deps.metrics);
  }

  /** @throws {NewerSchemaVersionError}, and what the database says: the batch must come again. */
  async process(batch: Batch): Promise<void> {
    const { lag } = this.deps;
    lag.received(batch);
    const events = batch.records.flatMap((record) => this.decode(record));
    if (events.length > 0) await this.gather.add(events);
    // The others that came at the same time have gone on; only this partition waits until its dead letters are stored.
    await this.sendLetters(batch);
    lag.applied(batch, Date.now());
    const next = (batch.records.at(-1)?.offset ?? -1) + 1;
    this.deps.lags.set(batch, Math.max(0, batch.highWatermark - next));
  }

  private async sendLetters({ records, partition }: Batch): Promise<void> {
    const letters = records.flatMap((record) => {
      const cause = this.refusals.get(record);
      return cause ? [encodeDeadLetter(record, cause)] : [];
    });
    if (letters.length > 0) await this.deps.letters.send(this.entity, partition, letters);
  }

  /** The stream is the topic's only writer. What is none of its events says nothing about an entity, and must not block those that do. */
  private decode(record: StoredRecord): Arrived[] {
    this.refusals.delete(record);
    try {
      const event = decodeRouted(record, this);
      if (!isId(event.id)) throw new Error(`the key ${JSON.stringify(event.id)} is no entity id`);
      return [Object.assign(event, { record, atMs: Date.now(), committedMs: Date.parse(event.time) })];
    } catch (error) {
      // Whoever is upgraded reads on from here: until then it waits.
      if (error instanceof NewerSchemaVersionError) throw error;
      const { topic, partition, offset } = record;
      this.deps.logger.error({ err: error, topic, partition, offset }, "a record is no event that can be read");
      this.refusals.set(record, unreadable(error, this.replica.name));
      this.told.outcome("invalid");
      return [];
    }
  }

  private async take(events: readonly Arrived[]): Promise<void> {
    let left = events;
    for (let round = 0; left.length > 0; round++) {
      left = await this.takeNewest(left);
      // What is older than so many refused versions of its entity is not tried any more: the newest one's letter speaks for it.
      if (round < MOST_OLDER) continue;
      this.told.outcome("stale", left.length);
      return;
    }
  }

  /**
   * Applies the newest event of each entity.
   *
   * @returns the older events of those entities whose newest was refused: what they say is better than nothing.
   */
  private async takeNewest(events: readonly Arrived[]): Promise<Arrived[]> {
    const changes = reduce(events);
    const byId = Map.groupBy(events, ({ id }) => id);
    const older: Arrived[] = [];
    for (let i = 0; i < changes.length; i += MOST_ROWS) {
      const chunk = changes.slice(i, i + MOST_ROWS);
      const refused = await this.takeChunk(chunk, (change) => byId.get(change.id) ?? []);
      for (const change of refused)
        for (const event of byId.get(change.id) ?? [])
          if (event.version < change.version) older.push(event);
          else if (event !== change) this.told.outcome("duplicate");
    }
    return older;
  }

  /** @returns the changes that were refused. */
  private async takeChunk(
    changes: readonly Arrived[],
    eventsOf: (change: Arrived) => readonly Arrived[],
  ): Promise<readonly Arrived[]> {
    const applied = await this.apply(changes).catch((error) => {
      this.spans(changes.flatMap(eventsOf)).all.end(error);
      throw error;
    });
    const appliedMs = Date.now();
    const { refused, unchanged } = applied;
    const good = refused.size > 0 ? changes.filter(({ id }) => !refused.has(id)) : changes;
    const bad = refused.size > 0 ? changes.filter(({ id }) => refused.has(id)) : [];
    for (const change of bad) this.refuse(change, refused.get(change.id)!);
    if (good.length === 0) return bad;
    const cached = await applied.store();
    const storedMs = Date.now();
    this.deps.receipts.add({
      replica: this.replica.name,
      entity: this.entity.name,
      appliedMs,
      cachedMs: cached ? storedMs : null,
      changes: good.map(({ id, version, committedMs }) => [id, unchanged.get(id) ?? version, committedMs]),
    });
    const events = good.flatMap(eventsOf);
    this.tell(events, outcomes(events, unchanged), { appliedMs, storedMs: cached ? storedMs : undefined });
    return bad;
  }

  private async apply(changes: readonly Arrived[]): Promise<Applied> {
    try {
      const applied = await this.deps.applier.apply(changes);
      this.tableProblem = undefined;
      return applied;
    } catch (error) {
      if (error instanceof TableRejectsError) {
        this.tableProblem = error.message;
        this.deps.logger.error({ err: error }, "paused: nothing can be applied");
      }
      throw error;
    }
  }

  private refuse(event: Arrived, refusal: Rejection): void {
    const cause = unappliable(refusal, this.replica.name);
    this.refusals.set(event.record, cause);
    this.told.outcome("unappliable");
    this.spans([event]).all.end(new Error(cause.detail));
    const { topic, partition, offset } = event.record;
    const { id, version } = event;
    const about = { topic, partition, offset, id, version, traceId: traceIdOf(event.traceparent) };
    this.deps.logger.warn({ ...about, detail: cause.detail }, "refused by the database");
  }

  private tell(events: readonly Arrived[], became: readonly Outcome[], { appliedMs, storedMs }: Times): void {
    const spans = this.spans(events, became);
    if (storedMs !== undefined)
      for (const { traceparent } of spans.all)
        startSpan(`cache ${this.entity.plural}`, {
          parent: traceparent,
          kind: SpanKind.CLIENT,
          startMs: appliedMs,
          attributes: { "db.system.name": "redis", "db.operation.name": "store" },
        }).end();
    spans.all.end();
    for (const [outcome, { length }] of Map.groupBy(became, (outcome) => outcome)) this.told.outcome(outcome, length);
    for (const [i, { committedMs }] of events.entries()) {
      if (became[i] !== "applied") continue;
      const keptTraceId = spans.each[i]?.sampledTraceId;
      this.told.readable("postgres", committedMs, appliedMs, keptTraceId);
      if (storedMs !== undefined) this.told.readable("redis", committedMs, storedMs, keptTraceId);
    }
  }

  /** The spans that these events are applied in: all, and the one of each event; none with tracing off. */
  private spans(events: readonly Arrived[], became?: readonly Outcome[]): { all: BatchSpans; each: ActiveSpan[] } {
    const all = new BatchSpans(`apply ${this.topic}`, {
      kind: SpanKind.CONSUMER,
      attributes: {
        "messaging.system": "kafka",
        "messaging.operation.name": "apply",
        "messaging.operation.type": "process",
        "messaging.destination.name": this.topic,
        "messaging.consumer.group.name": replicaGroup(this.replica.name),
        "lockstep.replica": this.replica.name,
      },
    });
    if (!isTracing()) return { all, each: [] };
    const each = events.map(({ traceparent, committedMs, atMs, version, record }, i) =>
      all.spanFor({
        parent: traceparent,
        startMs: atMs,
        writeStartMs: committedMs,
        attributes: {
          "messaging.destination.partition.id": String(record.partition),
          "messaging.kafka.offset": record.offset,
          "lockstep.entity.version": version,
          ...(became ? { "lockstep.outcome": became[i]! } : {}),
        },
      }),
    );
    return { all, each };
  }
}
