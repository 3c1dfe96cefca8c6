/**
 * Applies batches of one entity to PostgreSQL, each behind a fence in the cache.
 *
 * A batch that cannot be fenced switches the cache off for every process of the replica, and is then applied without a
 * fence. In both cases PostgreSQL commits only while the cache's epoch is the one that the batch was prepared for
 * (cache/README.md).
 */
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import type { Logger } from "../../observability/logger.ts";
import { Outage } from "../../observability/outage.ts";
import { sleep } from "../../platform/async/sleep.ts";
import {
  isCanceled,
  isLockTimeout,
  isReadOnly,
  isRejected,
  isUnavailable,
  isUndone,
} from "../../platform/postgres/errors.ts";
import type { BatchFence, CacheWriter } from "../cache/cache-writer.ts";
import type { CacheEpoch } from "../cache/epoch.ts";
import { type ApplyResult, type CacheGuard, type Change, EpochMovedError } from "./apply.ts";
import { type ApplyAloneDeps, applyAlone } from "./apply-alone.ts";
import { mayBeRowsFault } from "./database-errors.ts";
import type { Rejection, RejectionTracker } from "./rejection-tracker.ts";

/** Epoch changes that one batch follows before the log has to deliver it again. */
const MAX_EPOCH_CHANGES = 10;
/** Delays before each retry of an unavailable database, in milliseconds. */
const RETRY_DELAYS_MS = [50, 200, 500, 1_000, 2_000];

/** After a cancelled statement, the next ones get the short limit of single rows for this time. */
const SHORT_LIMIT_MS = 60_000;

/** Applies changes under a guard, all or none, or all but the rejected ones. */
type ApplyMethod = (changes: readonly Change[], guard: CacheGuard) => Promise<ApplyResult>;

/** A change that the table rejected. PostgreSQL and the cache keep what they had of the entity. */
export interface RejectedChange<C extends Change = Change> {
  readonly change: C;
  readonly rejection: Rejection;
}

/** A batch that PostgreSQL has committed. {@link CacheWriter.store} brings it to the cache. */
export interface AppliedBatch<C extends Change = Change> {
  /** Changes that are in effect, in the order given. */
  readonly accepted: readonly C[];
  readonly rejected: readonly RejectedChange<C>[];
  /** Entities whose change was not newer, with the version that PostgreSQL already had. */
  readonly unchanged: ReadonlyMap<EntityId, Version>;
  /** Entities whose row a trigger of the table changed. */
  readonly altered: ReadonlySet<EntityId>;
  /** Undefined: the cache was off. */
  readonly fence: BatchFence | undefined;
}

/** Applies batches of one entity. Concurrent calls are safe, because PostgreSQL compares versions. */
export class Applier {
  /** The error of the last attempt, while the database does not accept writes. */
  private lastError: unknown;
  private shortLimitUntil = 0;
  private readonly outage: Outage;

  constructor(
    private readonly deps: {
      /** {@link applyChanges} to this entity's table. */
      readonly applyChanges: ApplyMethod;
      /** {@link applyEach} to this entity's table. */
      readonly applyEach: ApplyMethod;
      /** The same with short limits, for single changes. */
      readonly alone: ApplyAloneDeps & { readonly applyAll: ApplyMethod };
      readonly rejections: Pick<RejectionTracker, "recentlyRejected" | "record">;
      readonly cacheWriter: CacheWriter;
      readonly epoch: Pick<CacheEpoch, "afterLeaseExpiry" | "refresh">;
      readonly logger: Logger;
    },
  ) {
    const { logger } = deps;
    this.outage = new Outage(logger, "the replica's database is unavailable; retrying", "the database is available");
  }

  /** Why the database rejects every write, for people; undefined while it accepts them. */
  get readOnlyProblem(): string | undefined {
    return isReadOnly(this.lastError) ? String((this.lastError as Error).message) : undefined;
  }

  /** What the database answered to the last attempt, for people; undefined after a success. */
  get lastProblem(): string | undefined {
    return this.lastError instanceof Error ? this.lastError.message : undefined;
  }

  /** Forgets the last attempt's error: this process has no more changes to apply that would end it. */
  forgetError(): void {
    this.lastError = undefined;
  }

  /**
   * Applies changes.
   *
   * @param changes each entity once, sorted by id.
   * @throws {TableRejectsError} when the table accepts no row at all.
   * @throws {RowsLockedError} when another session has locked rows; the others are applied.
   * @throws the database's error when it stays unavailable. The batch may be applied or not, and must be delivered
   * again.
   */
  async apply<C extends Change>(changes: readonly C[]): Promise<AppliedBatch<C>> {
    let method: ApplyMethod = this.applyOrIsolate;
    // Not retry(): the limit is a number of attempts, since one attempt may take the whole statement timeout, and the
    // caller needs the original error to decide whether to isolate submissions.
    for (let attempt = 0; ; attempt++)
      try {
        const applied = await this.applyUnderEpoch(changes, method);
        this.outage.ended();
        this.lastError = undefined;
        return applied;
      } catch (error) {
        this.lastError = error;
        if (isCanceled(error)) this.shortLimitUntil = performance.now() + SHORT_LIMIT_MS;
        const mayRecover = isUnavailable(error) || isRejected(error);
        if (mayRecover) this.outage.failed(error);
        const delayMs = RETRY_DELAYS_MS[attempt];
        if (delayMs === undefined || !mayRecover) throw error;
        // A lost connection or a deadlock is usually no row's fault, so the whole batch gets a second attempt first.
        const isSuspect = isCanceled(error) || isLockTimeout(error) || isRejected(error);
        if (isSuspect || (attempt > 0 && mayBeRowsFault(error))) method = this.applyAlone;
        await sleep(delayMs);
      }
  }

  /** Fences and applies, again for each new epoch that another process opens in between. */
  private async applyUnderEpoch<C extends Change>(
    changes: readonly C[],
    method: ApplyMethod,
  ): Promise<AppliedBatch<C>> {
    const { cacheWriter, epoch: epochs, rejections } = this.deps;
    for (let i = 0; i < MAX_EPOCH_CHANGES; i++) {
      const epoch = await epochs.afterLeaseExpiry();
      const fence = epoch.runId === null ? undefined : await cacheWriter.fence(epoch, changes);
      if (fence === "moved") continue;
      const cache = fence ? "fenced" : cacheWriter.isReachable() ? "off" : "away";
      try {
        const { rejected, unchanged, altered } = await method(changes, { epoch: epoch.epoch, cache });
        const applied = { ...split(changes, rejected), unchanged, altered, fence };
        const undone = applied.rejected.filter(({ rejection }) => !rejection.isUncertain);
        if (fence && undone.length > 0)
          await cacheWriter.lift(
            fence,
            undone.map(({ change }) => change),
          );
        await rejections.record(writtenIds(applied), rejected).catch(async (error) => {
          await cacheWriter.store(applied); // the deletes and the unchanged entities
          throw error;
        });
        return applied;
      } catch (error) {
        if (fence && isUndone(error) && method !== this.applyAlone) await cacheWriter.lift(fence, changes);
        if (!(error instanceof EpochMovedError)) throw error;
        await epochs.refresh();
      }
    }
    throw new Error(
      `the cache's epoch changed ${MAX_EPOCH_CHANGES} times during one batch; the log delivers the batch again`,
    );
  }

  /** Applies all changes in one statement. Isolates rejected rows after a rejection, or when one is expected. */
  private readonly applyOrIsolate: ApplyMethod = async (changes, guard) => {
    const { applyChanges, applyEach, alone, rejections } = this.deps;
    const applyAll = performance.now() < this.shortLimitUntil ? alone.applyAll : applyChanges;
    if (!changes.some(({ id }) => rejections.recentlyRejected(id)))
      try {
        return await applyAll(changes, guard);
      } catch (error) {
        if (!isRejected(error)) throw error;
      }
    return await applyEach(changes, guard);
  };

  private readonly applyAlone: ApplyMethod = (changes, guard) => applyAlone(this.deps.alone, changes, guard);
}

function split<C extends Change>(
  changes: readonly C[],
  rejections: ReadonlyMap<EntityId, Rejection>,
): Pick<AppliedBatch<C>, "accepted" | "rejected"> {
  if (rejections.size === 0) return { accepted: changes, rejected: [] };
  const accepted: C[] = [];
  const rejected: RejectedChange<C>[] = [];
  for (const change of changes) {
    const rejection = rejections.get(change.id);
    if (rejection) rejected.push({ change, rejection });
    else accepted.push(change);
  }
  return { accepted, rejected };
}

/** Entities whose row was written. A delete or an unchanged entity does not show whether the table accepts rows. */
const writtenIds = ({ accepted, unchanged }: Pick<AppliedBatch, "accepted" | "unchanged">): EntityId[] =>
  accepted.filter(({ id, document }) => document && !unchanged.has(id)).map(({ id }) => id);
