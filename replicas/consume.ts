/** Consumes a topic for one replica: decode → reduce → apply → cache → receipts → count → onApplied → dead letters. */
import type { EntityDeclaration, ReplicaDeclaration } from "../contracts/entity/declaration.ts";
import { replicaTopic } from "../contracts/topics.ts";
import type { Batch } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { ConsumerLags } from "../pipeline/consumer-lags.ts";
import { Batcher } from "../platform/async/batcher.ts";
import { isUnavailable } from "../platform/postgres/errors.ts";
import type { AppliedBatch, Applier } from "./apply/applier.ts";
import { applyNewest, type EventsById, type RejectedEvent, rejectedPerSubmission } from "./apply/apply-newest.ts";
import { ApplyObserver } from "./apply/apply-observer.ts";
import { outcomes } from "./apply/reduce.ts";
import { TableRejectsError } from "./apply/rejection-tracker.ts";
import type { CacheWriter } from "./cache/cache-writer.ts";
import { type DeadLetterWriter, encodeDeadLetters, unappliableCause } from "./dead-letters.ts";
import { decodeRecords, type ReceivedEvent } from "./decode.ts";
import type { Lag } from "./lag.ts";
import { AppliedHook } from "./on-applied.ts";
import { type Receipts, receiptOf } from "./receipts.ts";

/** Events that are reduced together. In a larger batch more events are of the same entities. */
const MAX_EVENTS = 4_000;

/** Collaborators of {@link EntityConsumer}. */
export interface EntityConsumerDeps {
  readonly applier: Pick<Applier, "apply" | "forgetError">;
  readonly cacheWriter: Pick<CacheWriter, "store">;
  readonly deadLetters: Pick<DeadLetterWriter, "write">;
  readonly receipts: Pick<Receipts, "add">;
  readonly lag: Lag;
  readonly lags: Pick<ConsumerLags, "set">;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Aborts when the process stops. */
  readonly signal: AbortSignal;
}

/** Result of a batch. */
interface AppliedEvents {
  readonly rejected: readonly RejectedEvent[];
  /** The newest event of each entity, if the database has its state. */
  readonly current: readonly ReceivedEvent[];
  /** Resolves when the cache and the receipts have the events too. Never rejects. */
  readonly finished: Promise<unknown>;
}

/** Consumes one entity's topic for one replica. */
export class EntityConsumer {
  readonly topic: string;
  /** Why the table accepts no row, for people; undefined while it does. */
  tableProblem: string | undefined;
  private readonly observer: ApplyObserver;
  /** Undefined: the project declares no `onApplied`. */
  private readonly hook: AppliedHook | undefined;
  /**
   * Lets batches of several partitions share a statement: at 1,000 events/s, one for each costs more than its events.
   * Batches of one fetch arrive in one turn. The next statement starts after the commit of the last one, and does not
   * wait for its store: on the same connection, the last store reaches Redis before the next fence.
   */
  private readonly batcher = new Batcher<readonly ReceivedEvent[], AppliedEvents>(
    (submissions) => this.applySubmissions(submissions),
    {
      concurrency: 1,
      isolatedConcurrency: 0,
      gathersTurn: true,
      maxSize: MAX_EVENTS,
      sizeOf: ({ length }) => length,
      isIsolatable: (error) => !isUnavailable(error) && !(error instanceof TableRejectsError),
    },
  );

  constructor(
    private readonly deps: EntityConsumerDeps,
    readonly entity: EntityDeclaration,
    readonly replica: ReplicaDeclaration,
  ) {
    this.topic = replicaTopic(entity, replica.name).name;
    this.observer = new ApplyObserver(deps, entity, replica, this.topic);
    this.hook = replica.onApplied && new AppliedHook(deps, entity, replica.name, replica.onApplied);
  }

  /**
   * Processes one batch of one partition.
   *
   * @throws {NewerSchemaVersionError} when a newer stream wrote a record.
   * @throws {TableRejectsError} when the table accepts no row.
   * @throws the database's or the log's error. After each of these the log has to deliver the batch again.
   */
  async process(batch: Batch): Promise<void> {
    const { lag, lags, deadLetters, logger } = this.deps;
    lag.received(batch);
    const { events, rejected } = decodeRecords(batch.records, this, logger);
    this.observer.onUnreadable(rejected.length);
    if (events.length > 0) {
      const applied = await this.batcher.add(events);
      rejected.push(...applied.rejected);
      await applied.finished;
      if (this.hook) rejected.push(...(await this.hook.call(applied.current)));
    }
    // The other partitions of the statement have continued; only this one waits for its dead letters.
    if (rejected.length > 0) await deadLetters.write(this.entity, batch.partition, encodeDeadLetters(rejected));
    lag.applied(batch, Date.now());
    if (!this.entity.internal) lags.set(batch, unprocessedRecords(batch));
  }

  /** Other processes own partitions of the topic now, and report their problems. Those that stay here return soon. */
  revoked(): void {
    this.tableProblem = undefined;
    this.deps.applier.forgetError();
  }

  /** Applies the submissions of several partitions together. @returns the result of each. */
  private async applySubmissions(submissions: readonly (readonly ReceivedEvent[])[]): Promise<AppliedEvents[]> {
    const events = submissions.length === 1 ? submissions[0]! : submissions.flat();
    const current = new Set<ReceivedEvent>();
    const finishing: Promise<void>[] = [];
    const applyRows = async (changes: readonly ReceivedEvent[], byId: EventsById) => {
      const { rejected, applied, finished } = await this.applyRows(changes, byId);
      if (finished) finishing.push(finished);
      if (this.hook) for (const event of currentOf(applied)) current.add(event);
      return rejected;
    };
    const rejected = rejectedPerSubmission(await applyNewest(events, applyRows, this.observer), submissions);
    const finished = finishing.length === 1 ? finishing[0]! : Promise.all(finishing);
    return submissions.map((submission, i) => ({
      finished,
      rejected: rejected[i]!,
      current: this.hook ? submission.filter((event) => current.has(event)) : [],
    }));
  }

  /**
   * @param changes the newest event of each entity.
   * @param byId all events.
   * @returns the rejected changes, after the commit. `finished` resolves when the cache and the receipts have the
   * others.
   */
  private async applyRows(
    changes: readonly ReceivedEvent[],
    byId: EventsById,
  ): Promise<{ rejected: RejectedEvent[]; applied: AppliedBatch<ReceivedEvent>; finished?: Promise<void> }> {
    const { applier } = this.deps;
    const eventsOf = (change: ReceivedEvent) => byId.get(change.id)!;
    const applied = await applier.apply(changes).catch((error) => {
      if (error instanceof TableRejectsError) this.tableProblem = error.message;
      this.observer.onFailed(changes.flatMap(eventsOf), error);
      throw error;
    });
    this.tableProblem = undefined;
    const appliedMs = Date.now();
    const rejected = applied.rejected.map(({ change: event, rejection }) => {
      const cause = unappliableCause(rejection, this.replica.name);
      this.observer.onRejected(event, cause.detail);
      return { event, record: event.record, cause };
    });
    if (applied.accepted.length === 0) return { rejected, applied };
    const finished = this.finish(applied, applied.accepted.flatMap(eventsOf), appliedMs);
    return { rejected, applied, finished };
  }

  /** Brings what is committed to the cache, then reports it. Sends its command at once. Never rejects. */
  private async finish(
    applied: AppliedBatch<ReceivedEvent>,
    events: readonly ReceivedEvent[],
    appliedMs: number,
  ): Promise<void> {
    const { cacheWriter, receipts } = this.deps;
    const isCached = await cacheWriter.store(applied);
    const times = { appliedMs, cachedMs: isCached ? Date.now() : undefined };
    if (!this.entity.internal) receipts.add(receiptOf(this, applied, times));
    this.observer.onApplied(events, outcomes(events, applied.unchanged), times);
  }
}

/** Those whose version the database has. Of the others it has a newer one, whose own event follows. */
const currentOf = ({ accepted, unchanged }: AppliedBatch<ReceivedEvent>): ReceivedEvent[] =>
  unchanged.size === 0
    ? [...accepted]
    : accepted.filter(({ id, version }) => (unchanged.get(id) ?? version) === version);

function unprocessedRecords({ records, highWatermark }: Batch): number {
  const nextOffset = (records.at(-1)?.offset ?? -1) + 1;
  return Math.max(0, highWatermark - nextOffset);
}
