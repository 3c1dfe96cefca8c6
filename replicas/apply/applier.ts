/**
 * One entity's way into the replica: fence the cache, apply to PostgreSQL, store in the cache.
 *
 * When the cache cannot be fenced it is switched off for everybody first, and the batch is applied without. Either way PostgreSQL
 * commits only if the cache's epoch is still the one that the batch was prepared for (cache/README.md).
 */
import type { ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document, EntityId, Version } from "../../contracts/entity/document.ts";
import { orderMembers } from "../../contracts/entity/row.ts";
import type { Logger } from "../../observability/logger.ts";
import { Outage } from "../../observability/outage.ts";
import { isRejected, isUnavailable } from "../../platform/postgres/errors.ts";
import type { Cache } from "../cache/cache.ts";
import type { CacheEpoch, Epoch } from "../cache/epoch.ts";
import { type ApplyResult, type CacheGuard, type Change, EpochMovedError } from "./apply.ts";
import type { Rejection, RejectionTracker } from "./rejection-tracker.ts";

/** Times that the epoch may move under one batch before it is given back to the log. */
const MAX_EPOCHS = 10;
/** How long to wait for an epoch that is being opened, in milliseconds. */
const OPENING_MS = 100;
const RETRY_PAUSES_MS = [50, 200, 500, 1_000, 2_000];

export interface Applied {
  /** For each entity for which nothing was new: the version that the database already had. */
  readonly unchanged: ReadonlyMap<EntityId, Version>;
  /** What the database refused: of these it has what it had. */
  readonly refused: ReadonlyMap<EntityId, Rejection>;
  /** Brings to the cache what is committed now. @returns whether it is there; false also while the cache is off. Never throws. */
  readonly store: () => Promise<boolean>;
}

export class Applier {
  private readonly away: Outage;

  constructor(
    private readonly deps: {
      /** {@link applyChanges} to this entity's table. */
      readonly apply: (changes: readonly Change[], hold: CacheGuard) => Promise<ApplyResult>;
      /** {@link applyEach}, likewise. */
      readonly applyEach: (changes: readonly Change[], hold: CacheGuard) => Promise<ApplyResult>;
      readonly refusals: Pick<RejectionTracker, "recentlyRejected" | "record">;
      readonly cache: Cache;
      readonly epoch: Pick<CacheEpoch, "afterLeaseExpiry" | "refresh" | "disable" | "isNew">;
      readonly logger: Logger;
    },
    private readonly replica: ReplicaDeclaration,
  ) {
    this.away = new Outage(deps.logger, "the replica's database is away; trying again", "the database is back");
  }

  /**
   * Applies changes, each entity once, sorted by id.
   *
   * @throws {TableRejectsError} when the table takes no row at all; and what the database says, when it stays away: the batch may be
   * applied or not, and must come again.
   */
  async apply(changes: readonly Change[]): Promise<Applied> {
    for (let attempt = 0; ; attempt++)
      try {
        const applied = await this.attempt(changes);
        this.away.ended();
        return applied;
      } catch (error) {
        if (isUnavailable(error)) this.away.failed(error);
        const pause = RETRY_PAUSES_MS[attempt];
        if (pause === undefined || !isUnavailable(error)) throw error;
        await Bun.sleep(pause);
      }
  }

  private async attempt(changes: readonly Change[]): Promise<Applied> {
    const { refusals, epoch: epochs } = this.deps;
    for (let i = 0; i < MAX_EPOCHS; i++) {
      const epoch = await epochs.afterLeaseExpiry();
      const fenced = epoch.runId !== null;
      const state = fenced ? "fenced" : this.deps.cache.reachable() ? "off" : "away";
      const token = this.deps.cache.token();
      if (fenced && !(await this.fence(epoch, token, changes))) continue;
      try {
        const { unchanged, refused } = await this.carryOut(changes, { epoch: epoch.epoch, cache: state });
        const [bad, good] = refused.size > 0 ? divided(changes, ({ id }) => refused.has(id)) : [[], changes];
        if (fenced && bad.length > 0) await this.lift(epoch, token, bad);
        const store = async () => fenced && (await this.store(epoch, token, good, unchanged));
        await refusals.record(rowsOf(good, unchanged), refused).catch(async (error) => {
          await store(); // of deletes, and of what was not new
          throw error;
        });
        return { unchanged, refused, store };
      } catch (error) {
        if (fenced && isRejected(error)) await this.lift(epoch, token, changes);
        if (!(error instanceof EpochMovedError)) throw error;
        await epochs.refresh();
      }
    }
    throw new Error(`the cache epoch moved ${MAX_EPOCHS} times under one batch`);
  }

  /** All at once; or one by one, where something was refused, or will be, as it was lately. */
  private async carryOut(changes: readonly Change[], hold: CacheGuard): Promise<ApplyResult> {
    const { apply, applyEach, refusals } = this.deps;
    if (!changes.some(({ id }) => refusals.recentlyRejected(id)))
      try {
        return await apply(changes, hold);
      } catch (error) {
        if (!isRejected(error)) throw error;
      }
    return await applyEach(changes, hold);
  }

  /** @returns false when the epoch has to be looked at anew. */
  private async fence(epoch: Epoch, token: string, changes: readonly Change[]): Promise<boolean> {
    const { cache, epoch: epochs, logger } = this.deps;
    const verdict = await cache.fence(epoch, token, changes);
    if (verdict === "ok") return true;
    if (verdict === "moved" && epochs.isNew(epoch)) {
      await Bun.sleep(OPENING_MS);
      await epochs.refresh();
      return false;
    }
    await epochs.disable(epoch.epoch);
    logger.warn({ epoch: epoch.epoch, verdict }, "the cache cannot be fenced; it is off until Redis is back");
    return false;
  }

  /** Nothing was applied and nothing will be: the cache may serve again what the database has. */
  private async lift(epoch: Epoch, token: string, changes: readonly Change[]): Promise<void> {
    const { cache, epoch: epochs, logger } = this.deps;
    if ((await cache.lift(epoch, token, changes)) !== "away") return;
    await epochs.disable(epoch.epoch).catch((error) => logger.debug({ err: error }, "the epoch was not given up"));
  }

  private async store(
    epoch: Epoch,
    token: string,
    changes: readonly Change[],
    unchanged: ReadonlyMap<EntityId, Version>,
  ): Promise<boolean> {
    const { cache, epoch: epochs, logger } = this.deps;
    const stored = changes.map(({ id, version, document }) => ({
      id,
      version,
      entry: (unchanged.get(id) ?? version) === version ? { version, body: this.body(document) } : undefined,
    }));
    const verdict = await cache.store(epoch, token, stored);
    if (verdict !== "away") return verdict === "ok";
    // Safe, since fences that stay keep readers out; but they would stay until the epoch moves.
    await epochs.disable(epoch.epoch).catch((error) => logger.debug({ err: error }, "the epoch was not given up"));
    return false;
  }

  /** The same bytes as a read of PostgreSQL makes of the row. */
  private body(document: Document | null): string | null {
    return document && JSON.stringify(orderMembers(this.replica.fields, document));
  }
}

/** Entities whose row was written: a delete, or a change that is not new, says nothing about what the table takes. */
const rowsOf = (changes: readonly Change[], unchanged: ReadonlyMap<EntityId, Version>): EntityId[] =>
  changes.filter(({ id, document }) => document && !unchanged.has(id)).map(({ id }) => id);

function divided<T>(all: readonly T[], isFirst: (one: T) => boolean): [T[], T[]] {
  const first: T[] = [];
  const second: T[] = [];
  for (const one of all) (isFirst(one) ? first : second).push(one);
  return [first, second];
}
