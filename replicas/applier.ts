/**
 * One entity's way into the replica: fence the cache, apply to PostgreSQL, store in the cache.
 *
 * When the cache cannot be fenced it is switched off for everybody first, and the batch is applied without. Either way PostgreSQL
 * commits only if the cache's epoch is still the one that the batch was prepared for (cache/README.md).
 */
import {
  type Document,
  documentOf,
  type EntityId,
  type ReplicaDeclaration,
  rowOf,
  type Version,
} from "../contracts/entity.ts";
import type { Logger } from "../observability/logger.ts";
import { isAway } from "../platform/database.ts";
import { type Change, EpochMovedError, type Hold } from "./apply.ts";
import type { Cache } from "./cache/cache.ts";
import type { CacheEpoch, Epoch } from "./cache/epoch.ts";

/** Times that the epoch may move under one batch before it is given back to the log. */
const MAX_EPOCHS = 10;
/** How long to wait for an epoch that is being opened, in milliseconds. */
const OPENING_MS = 100;
const RETRY_PAUSES_MS = [50, 200, 500, 1_000, 2_000];

export interface Applied {
  /** For each entity for which nothing was new: the version that the database already had. */
  readonly nothingNew: ReadonlyMap<EntityId, Version>;
  /** Brings to the cache what is committed now. @returns whether it is there; false also while the cache is off. Never throws. */
  readonly store: () => Promise<boolean>;
}

export class Applier {
  constructor(
    private readonly using: {
      /** {@link applyChanges} to this entity's table. */
      readonly apply: (changes: readonly Change[], hold: Hold) => Promise<ReadonlyMap<EntityId, Version>>;
      readonly cache: Cache;
      readonly epoch: Pick<CacheEpoch, "drained" | "refresh" | "distrust" | "isNew">;
      readonly logger: Logger;
    },
    private readonly replica: ReplicaDeclaration,
  ) {}

  /**
   * Applies changes, each entity once, sorted by id.
   *
   * @throws what the database says, when it stays away or refuses: the batch may be applied or not, and must come again.
   */
  async apply(changes: readonly Change[]): Promise<Applied> {
    for (let attempt = 0; ; attempt++)
      try {
        return await this.attempt(changes);
      } catch (error) {
        const pause = RETRY_PAUSES_MS[attempt];
        if (pause === undefined || !isAway(error)) throw error;
        this.using.logger.warn({ err: error, pause }, "the replica's database is away; trying again");
        await Bun.sleep(pause);
      }
  }

  private async attempt(changes: readonly Change[]): Promise<Applied> {
    const { apply, epoch: epochs } = this.using;
    for (let i = 0; i < MAX_EPOCHS; i++) {
      const epoch = await epochs.drained();
      const fenced = epoch.runId !== null;
      const state = fenced ? "fenced" : this.using.cache.reachable() ? "off" : "away";
      const token = this.using.cache.token();
      if (fenced && !(await this.fence(epoch, token, changes))) continue;
      try {
        const nothingNew = await apply(changes, { epoch: epoch.epoch, cache: state });
        const store = async () => fenced && (await this.store(epoch, token, changes, nothingNew));
        return { nothingNew, store };
      } catch (error) {
        if (!(error instanceof EpochMovedError)) throw error;
        await epochs.refresh();
      }
    }
    throw new Error(`the cache epoch moved ${MAX_EPOCHS} times under one batch`);
  }

  /** @returns false when the epoch has to be looked at anew. */
  private async fence(epoch: Epoch, token: string, changes: readonly Change[]): Promise<boolean> {
    const { cache, epoch: epochs, logger } = this.using;
    const verdict = await cache.fence(epoch, token, changes);
    if (verdict === "ok") return true;
    if (verdict === "moved" && epochs.isNew(epoch)) {
      await Bun.sleep(OPENING_MS);
      await epochs.refresh();
      return false;
    }
    await epochs.distrust(epoch.epoch);
    logger.warn({ epoch: epoch.epoch, verdict }, "the cache cannot be fenced; it is off until Redis is back");
    return false;
  }

  private async store(
    epoch: Epoch,
    token: string,
    changes: readonly Change[],
    nothingNew: ReadonlyMap<EntityId, Version>,
  ): Promise<boolean> {
    const { cache, epoch: epochs, logger } = this.using;
    const stored = changes.map(({ id, version, document }) => ({
      id,
      version,
      entry: (nothingNew.get(id) ?? version) === version ? { version, body: this.body(document) } : undefined,
    }));
    const verdict = await cache.store(epoch, token, stored);
    if (verdict !== "away") return verdict === "ok";
    // Safe, since fences that stay keep readers out; but they would stay until the epoch moves.
    await epochs.distrust(epoch.epoch).catch((error) => logger.debug({ err: error }, "the epoch was not given up"));
    return false;
  }

  /** The same bytes as a read of PostgreSQL makes of the row. */
  private body(document: Document | null): string | null {
    return document && JSON.stringify(documentOf(this.replica.fields, rowOf(document)));
  }
}
