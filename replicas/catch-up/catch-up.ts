/**
 * Brings a replica's database to the offsets of its consumer group before newer batches are applied, and saves its
 * positions while it runs. A database that the log cannot bring up to date is rebuilt.
 *
 * States of a partition:
 * - pending: assigned; its missing records are being read. Batches wait for it.
 * - reached: the database has everything before the group's offset. A gap in the log, or a new assignment, makes it
 *   pending again.
 * - lost: the log has deleted records that the database lacks, or is a younger one. The process ends, and its next
 *   start rebuilds the replica. If the log cannot account for rows of the replica, the database is marked instead: the
 *   replica serves what it has and applies what the log has, and no rebuild starts by itself.
 */
import { UserError } from "../../contracts/errors.ts";
import { type Batch, type Log, partitionKey, type TopicPartition } from "../../kafka/log.ts";
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";
import { sleep } from "../../platform/async/sleep.ts";
import { isReadOnly } from "../../platform/postgres/errors.ts";
import { DatabaseWentBackError, type Positions, PositionsStaleError, SAVE_INTERVAL_MS } from "./positions.ts";
import { LogIncompleteError, RebuildBusyError } from "./rebuild/tables.ts";

/** Pause before missing records are read again after an error. */
const RETRY_DELAY_MS = 1_000;
/** Pause while another process rebuilds the replica, or the database is read-only. */
const BUSY_DELAY_MS = 2_000;

/** Collaborators of {@link CatchUp}. */
export interface CatchUpDeps {
  readonly positions: Positions;
  readonly log: Log;
  /** Applies a batch of one of the replica's topics. */
  readonly process: (batch: Batch) => Promise<void>;
  /** The database has reached the group's offset in an assigned partition. */
  readonly onCaughtUp: (at: TopicPartition) => void;
  /** Rebuilds all tables of the replica. */
  readonly rebuild: () => Promise<void>;
  readonly lagMs: () => number | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Catch-up of one replica process: call {@link begin} once, then {@link process} for each batch. */
export class CatchUp {
  /** Rejects when the database went back in time or is stale. The next start of the process repairs it. */
  readonly failed: Promise<never>;
  private readonly fail: (error: Error) => void;
  /** By partition: resolves when the database has reached the group's offset. */
  private readonly reached = new Map<string, Promise<void>>();
  private timer: Timer | undefined;
  /** Why the replica is being rebuilt now. */
  private rebuildReason: string | undefined;
  private isSaving = false;
  /** The log has deleted records that the database lacks: nothing is applied or saved any more. */
  private isLost = false;

  constructor(private readonly deps: CatchUpDeps) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.failed.catch(() => {});
    this.fail = reject;
  }

  /** Why the replica is being rebuilt now, for people; undefined while it is not. */
  rebuildProblem(): string | undefined {
    return this.rebuildReason;
  }

  /** Why the log cannot account for rows of the replica, for people; undefined while it can. */
  logProblem(): string | undefined {
    return this.deps.positions.incomplete;
  }

  /**
   * Rebuilds a stale database and starts to save positions. To be called before the first batch.
   *
   * @throws the database's or the log's error.
   */
  async begin(): Promise<void> {
    await this.deps.positions.begin();
    await this.rebuildWhileStale();
    this.timer = setInterval(() => void this.save(), SAVE_INTERVAL_MS);
  }

  /** This process owns the partitions from now on. */
  assigned(partitions: readonly TopicPartition[]): void {
    this.deps.positions.assigned(partitions);
    for (const at of partitions) void this.reach(at);
  }

  /** Other processes own the partitions from now on. */
  revoked(partitions: readonly TopicPartition[]): void {
    this.deps.positions.revoked(partitions);
    for (const at of partitions) this.reached.delete(partitionKey(at));
  }

  /**
   * The log deleted records before the group read them: checks whether the database has them. Not with the next batch:
   * there may be none for long, and a partition that was still pending would count as stalled until then.
   */
  onGap(at: TopicPartition): void {
    this.reached.delete(partitionKey(at));
    void this.reach(at);
  }

  /** Applies the log's next batch, after everything that the database lacks before it. @throws what applying throws. */
  async process(batch: Batch): Promise<void> {
    await this.reach(batch);
    if (this.isLost)
      throw new Error(
        `the log has deleted records of ${partitionKey(batch)} that the replica lacks; it is rebuilt at the next start`,
      );
    await this.deps.process(batch);
    this.deps.positions.applied(batch);
  }

  /** Saves the positions a last time, so that the next start has little to read again. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    if (this.timer) await this.save();
  }

  /** Resolves when the database has everything before the group's offset, or the partition was revoked. */
  private reach(at: TopicPartition): Promise<void> {
    const key = partitionKey(at);
    let reached = this.reached.get(key);
    if (!reached) {
      reached = this.readMissing(at, () => this.reached.get(key) === reached);
      this.reached.set(key, reached);
    }
    return reached;
  }

  /** Not retry(): it ends without an error when the partition is revoked or assigned again. */
  private async readMissing(at: TopicPartition, isCurrent: () => boolean): Promise<void> {
    const { positions, log, process, onCaughtUp, logger } = this.deps;
    await Promise.resolve(); // isCurrent() is true from here on
    while (isCurrent())
      try {
        const { from, to, next, lost } = await positions.missing(at);
        if (lost && !positions.isMarked) return await this.markLost(at);
        if (from < to)
          logger.info({ ...at, from, to }, "the database is behind its consumer group; reading the records again");
        for await (const records of log.read(at, from, to)) await process({ ...at, records, highWatermark: to });
        await positions.reached(at, next);
        if (isCurrent()) onCaughtUp(at);
        return;
      } catch (error) {
        logger.warn({ err: error, ...at }, "could not bring the database to its consumer group; retrying in 1 s");
        await sleep(RETRY_DELAY_MS);
      }
  }

  /**
   * Ends the process. No batch is accepted from here on: if the process dies before the database has the mark, the
   * group still has its old offset, and the next process finds the same.
   */
  private async markLost(at: TopicPartition): Promise<void> {
    await this.deps.positions.markLost(at.topic);
    this.isLost = true;
    this.fail(new PositionsStaleError("the log has deleted changes that the database lacks"));
  }

  /** Not concurrently: while the log is unavailable, a call takes longer than the interval. */
  private async save(): Promise<void> {
    if (this.isLost || this.isSaving) return;
    const { positions, lagMs, logger } = this.deps;
    this.isSaving = true;
    try {
      await positions.check();
      await positions.save(lagMs());
    } catch (error) {
      if (error instanceof PositionsStaleError || error instanceof DatabaseWentBackError) this.fail(error);
      else logger.debug({ err: error }, "positions could not be saved; retrying in 5 s");
    } finally {
      this.isSaving = false;
    }
  }

  /** Not retry(): each round first reads whether the database is still stale. */
  private async rebuildWhileStale(): Promise<void> {
    const { positions, logger } = this.deps;
    for (let reason = await positions.stale(); reason !== undefined; reason = await positions.stale())
      try {
        this.rebuildReason = reason;
        logger.error({ reason }, "the log cannot bring the database up to date; rebuilding the replica from the log");
        await this.rebuild();
      } catch (error) {
        // The replica answers reads meanwhile. A process that ended would not.
        if (error instanceof RebuildBusyError || isReadOnly(error)) await sleep(BUSY_DELAY_MS);
        else throw error;
      } finally {
        this.rebuildReason = undefined;
      }
    if (positions.incomplete !== undefined)
      logger.error({ reason: positions.incomplete }, "the log cannot account for rows of the replica; run resync");
  }

  private async rebuild(): Promise<void> {
    const { positions, rebuild, logger, metrics } = this.deps;
    try {
      await rebuild();
      metrics.rebuilds.inc();
      logger.info("the replica is rebuilt");
    } catch (error) {
      // Anything else is transient: the process ends, and its next start tries again.
      if (error instanceof RebuildBusyError || !(error instanceof UserError)) throw error;
      await positions.markIncomplete(error instanceof LogIncompleteError ? error.detail : error.message);
    }
  }
}
