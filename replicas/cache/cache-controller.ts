/**
 * Keeps the cache on when it can be: opens a new epoch when the cache is off and Redis is there, and gives an epoch up when its
 * server is not the one that this process reaches, or has lost it. Every process of the replica does so; the first one wins.
 */
import type { Logger } from "../../observability/logger.ts";
import type { RedisLink } from "../../platform/redis/redis.ts";
import type { Cache } from "./cache.ts";
import type { CacheEpoch, Epoch } from "./epoch.ts";

export class CacheController {
  private busy = false;

  constructor(
    private readonly deps: {
      readonly epoch: Pick<CacheEpoch, "lease" | "enable" | "disable" | "isNew">;
      readonly redis: { readonly writes: RedisLink } | undefined;
      readonly caches: readonly Cache[];
      readonly logger: Logger;
    },
  ) {}

  /** Called after each renewal of the lease. Never throws. */
  async reconcile(): Promise<void> {
    const { epoch: epochs, redis, logger } = this.deps;
    const epoch = epochs.lease();
    const server = redis?.writes.runId();
    if (this.busy || !epoch || !server) return;
    this.busy = true;
    try {
      if (epoch.runId === null) {
        if (epoch.due) await this.open(epoch, server);
      } else if (epoch.runId !== server) {
        await epochs.disable(epoch.epoch);
        logger.warn({ epoch: epoch.epoch }, "Redis is another server than before; the cache is off for a moment");
      }
    } catch (error) {
      logger.debug({ err: error }, "the cache stays as it is");
    } finally {
      this.busy = false;
    }
  }

  /** The server does not have this epoch: it was flushed, or belongs to another database. Never throws. */
  async lost(epoch: Epoch): Promise<void> {
    const { epoch: epochs, logger } = this.deps;
    // One that is being opened is not there yet.
    if (this.busy || epochs.isNew(epoch)) return;
    this.busy = true;
    try {
      await epochs.disable(epoch.epoch);
      logger.warn({ epoch: epoch.epoch }, "Redis has lost the cache; it is off for a moment");
    } catch (error) {
      logger.debug({ err: error }, "the cache stays as it is");
    } finally {
      this.busy = false;
    }
  }

  private async open(off: Epoch, server: string): Promise<void> {
    const { epoch: epochs, caches, logger } = this.deps;
    for (const cache of caches) await cache.probe();
    const opened = await epochs.enable(off, server);
    if (opened === undefined) return;
    for (const cache of caches)
      if ((await cache.install(opened)) !== "ok") {
        await epochs.disable(opened);
        return;
      }
    logger.info({ epoch: opened }, "the cache is on");
  }
}
