/** Brings the replica's database up to where its group is, partition by partition, before anything newer is applied; and sees that it stays so. */

import { UserError } from "../../contracts/errors.ts";
import { type Batch, type Log, partitionKey, type TopicPartition } from "../../kafka/log.ts";
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Check } from "../../platform/service.ts";
import { DatabaseWentBackError, type Positions, PositionsStaleError, SAVE_EVERY_MS } from "./positions.ts";
import { RebuildBusyError } from "./rebuild/tables.ts";

const AGAIN_MS = 1_000;
const BUSY_MS = 2_000;

export interface CatchUpParts {
  readonly positions: Positions;
  readonly log: Log;
  /** Applies a batch of one of the replica's topics. */
  readonly process: (batch: Batch) => Promise<void>;
  /** Rebuilds all tables of the replica. */
  readonly rebuild: () => Promise<void>;
  readonly lagMs: () => number | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The way from the group to the applier for one replica process: {@link begin} once, then {@link take} each batch. */
export class CatchUp {
  /** Rejects when the database has gone back, or the log cannot bring it up to date: the process must end, and its next start mends it. */
  readonly failed: Promise<never>;
  private readonly fail;
  private readonly running = new Map<string, Promise<void>>();
  private timer: Timer | undefined;
  /** Why the replica is being rebuilt now. */
  private rebuilding: string | undefined;
  private refused: string | undefined;
  /** The log has lost something that the database lacks: nothing is applied or saved any more. */
  private lost = false;

  constructor(private readonly deps: CatchUpParts) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.failed.catch(() => {});
    this.fail = reject;
  }

  readonly check: Check = {
    name: "positions",
    problem: () =>
      this.rebuilding
        ? `${this.rebuilding}: being rebuilt; until then deleted entities may still be shown`
        : this.refused && `deleted entities may still be shown, and the replica cannot be rebuilt: ${this.refused}`,
  };

  /** To be awaited before the log is followed. @throws what the database or the log says. */
  async begin(): Promise<void> {
    await this.deps.positions.begin();
    await this.rebuildWhenStale();
    this.timer = setInterval(() => void this.save(), SAVE_EVERY_MS);
  }

  assigned(partitions: readonly TopicPartition[]): void {
    this.deps.positions.assigned(partitions);
    for (const at of partitions) void this.reach(at);
  }

  revoked(partitions: readonly TopicPartition[]): void {
    this.deps.positions.revoked(partitions);
    for (const at of partitions) this.running.delete(partitionKey(at));
  }

  /** The log no longer has the next records that the group wanted: before the next batch it is seen whether the database has them. */
  gap(at: TopicPartition): void {
    this.running.delete(partitionKey(at));
  }

  /** Applies the log's next batch, after everything that the database lacks before it. @throws what applying throws. */
  async take(batch: Batch): Promise<void> {
    await this.reach(batch);
    if (this.lost) throw new Error("the log has lost what comes before this: the replica is rebuilt first");
    await this.deps.process(batch);
    this.deps.positions.applied(batch);
  }

  /** Saves once more, so that the next start has little to read again. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    if (this.timer) await this.save();
  }

  /** Resolves when the database has what lies before the group's offset. Tries until it does, or the partition is another's. */
  private reach(at: TopicPartition): Promise<void> {
    const key = partitionKey(at);
    let reached = this.running.get(key);
    if (!reached) {
      reached = this.try(at, () => this.running.get(key) === reached);
      this.running.set(key, reached);
    }
    return reached;
  }

  private async try(at: TopicPartition, wanted: () => boolean): Promise<void> {
    const { positions, log, process, logger } = this.deps;
    await Promise.resolve(); // from here on `wanted` knows of this run
    while (wanted())
      try {
        const { from, to, next, lost } = await positions.missing(at);
        if (lost && !this.refused) return await this.giveUp(at);
        if (from < to) logger.info({ ...at, from, to }, "the database is behind its group: reading again");
        for await (const records of log.read(at, from, to)) await process({ ...at, records, highWatermark: to });
        positions.reached(at, next);
        return;
      } catch (error) {
        logger.warn({ err: error, ...at }, "not caught up with the group yet; trying again");
        await Bun.sleep(AGAIN_MS);
      }
  }

  /**
   * The log cannot bring the database up to date any more. Nothing is taken from here on: should this process die before the database
   * knows, the group is still where it was, and the next process finds the same.
   */
  private async giveUp(at: TopicPartition): Promise<void> {
    await this.deps.positions.giveUp(at);
    this.lost = true;
    this.fail(new PositionsStaleError("the log has lost changes that the database had not seen yet"));
  }

  private async save(): Promise<void> {
    if (this.lost) return;
    const { positions, lagMs, logger } = this.deps;
    try {
      // Somebody may have mended what stood in the way, and rebuilt.
      if (this.refused && (await positions.stale()) === undefined) this.refused = undefined;
      if (this.refused) return;
      await positions.save(lagMs());
    } catch (error) {
      if (error instanceof PositionsStaleError || error instanceof DatabaseWentBackError) this.fail(error);
      else logger.debug({ err: error }, "positions were not saved; the next time they will be");
    }
  }

  private async rebuildWhenStale(): Promise<void> {
    const { positions, rebuild, logger, metrics } = this.deps;
    for (let why = await positions.stale(); why !== undefined; why = await positions.stale())
      try {
        this.rebuilding = why;
        logger.error({ why }, "the log cannot bring the database up to date any more; rebuilding from the log");
        await rebuild();
        metrics.rebuilds.inc();
        logger.info("rebuilt");
      } catch (error) {
        if (error instanceof RebuildBusyError) await Bun.sleep(BUSY_MS);
        else if (error instanceof UserError) {
          this.refused = error.message;
          logger.error({ reason: error.message }, "cannot be rebuilt: deleted entities may still be shown");
          return;
        } else throw error;
      } finally {
        this.rebuilding = undefined;
      }
  }
}
