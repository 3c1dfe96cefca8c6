/**
 * Brings one entity's batches to the cache: `fence` before the apply, `store` after the commit, `lift` after a
 * rejection. A step with an unknown result switches the cache off for every process. README.md has the protocol.
 */

import type { ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import { orderMembers } from "../../contracts/entity/row.ts";
import type { RoutedEvent } from "../../contracts/routed-event.ts";
import type { Logger } from "../../observability/logger.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Cache } from "./cache.ts";
import type { CacheEpoch, Epoch } from "./epoch.ts";

/** Delay before the epoch is read again while another process is still opening it, in milliseconds. */
const OPENING_DELAY_MS = 100;

/** The fence of one attempt to apply a batch. */
export interface BatchFence {
  readonly epoch: Epoch;
  /** Unique to the attempt. */
  readonly token: string;
}

type CachedChange = Pick<RoutedEvent, "id" | "version" | "document">;

/** What {@link CacheWriter.store} needs of a committed batch. */
export interface CommittedBatch {
  /** Each entity once. */
  readonly accepted: readonly CachedChange[];
  /** Entities whose change was not newer, with the version that PostgreSQL already had. */
  readonly unchanged: ReadonlyMap<EntityId, Version>;
  /** Entities whose row differs from the document of their change: readers fill what PostgreSQL has. */
  readonly altered: ReadonlySet<EntityId>;
  /** Undefined: the cache was off. */
  readonly fence: BatchFence | undefined;
}

/** Writes batches of one entity to the cache. */
export class CacheWriter {
  constructor(
    private readonly deps: {
      readonly cache: Cache;
      readonly epoch: Pick<CacheEpoch, "refresh" | "disable" | "isNew">;
      readonly logger: Logger;
    },
    private readonly replica: ReplicaDeclaration,
  ) {}

  /** True while this process has a connection to Redis for writes. */
  isReachable(): boolean {
    return this.deps.cache.reachable();
  }

  /**
   * Fences a batch, so that readers miss its entities and cannot fill them.
   *
   * @returns `moved` when the epoch changed: the caller reads the epoch again. A batch that cannot be fenced moves the
   * epoch itself.
   * @throws the database's error when the cache has to be switched off and PostgreSQL does not do it.
   */
  async fence(epoch: Epoch, changes: readonly CachedChange[]): Promise<BatchFence | "moved"> {
    const { cache, epoch: epochs, logger } = this.deps;
    const token = cache.token();
    const result = await cache.fence(epoch, token, changes);
    if (result === "ok") return { epoch, token };
    if (result === "moved" && epochs.isNew(epoch)) {
      await sleep(OPENING_DELAY_MS);
      await epochs.refresh();
      return "moved";
    }
    // Another process may have moved the epoch since this one read it.
    if (result === "moved" && (await epochs.refresh()).epoch !== epoch.epoch) return "moved";
    await epochs.disable(epoch.epoch);
    logger.warn(
      { epoch: epoch.epoch, result },
      "the batch could not be fenced in Redis; the cache is off for at least 3 s",
    );
    return "moved";
  }

  /** Lifts the fences of changes that PostgreSQL has rejected for good: readers may fill what it has. Never throws. */
  async lift({ epoch, token }: BatchFence, changes: readonly CachedChange[]): Promise<void> {
    if ((await this.deps.cache.lift(epoch, token, changes)) === "unknown") await this.disable(epoch);
  }

  /** Stores committed changes and lifts their fences. Never throws. @returns true when all of them are in the cache. */
  async store({ accepted, unchanged, altered, fence }: CommittedBatch): Promise<boolean> {
    if (!fence) return false;
    const { epoch, token } = fence;
    const entries = accepted.map(({ id, version, document }) => {
      const isStored = (unchanged.get(id) ?? version) === version && !altered.has(id);
      return { id, version, entry: isStored ? { version, body: this.body(document) } : undefined };
    });
    const result = await this.deps.cache.store(epoch, token, entries);
    // Fences that stay keep readers out, so this is safe; but only a new epoch would remove them.
    if (result === "unknown") await this.disable(epoch);
    return result === "ok";
  }

  private async disable({ epoch }: Epoch): Promise<void> {
    const { epoch: epochs, logger } = this.deps;
    await epochs
      .disable(epoch)
      .catch((error) => logger.debug({ err: error, epoch }, "the cache's epoch could not be switched off"));
  }

  /** The same bytes that a read of PostgreSQL makes of the row. */
  private body(document: CachedChange["document"]): string | null {
    return document && JSON.stringify(orderMembers(this.replica, document));
  }
}
