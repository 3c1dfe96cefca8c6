/**
 * Switches the cache on when Redis is available. Switches it off when this process reaches another server than the
 * epoch names, or one that has lost the epoch. Every process does so; the first one wins.
 */
import type { Logger } from "../../observability/logger.ts";
import type { RedisLink } from "../../platform/redis/redis.ts";
import type { Cache } from "./cache.ts";
import type { CacheEpoch, Epoch } from "./epoch.ts";

/** Controls the caches of all entities of a replica. */
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

  /** Brings the cache to the state that Redis allows. To be called after each renewal of the lease. Never throws. */
  async reconcile(): Promise<void> {
    const { epoch: epochs, redis } = this.deps;
    const epoch = epochs.lease();
    const server = redis?.writes.runId();
    if (!epoch || !server) return;
    await this.exclusively(async () => {
      if (epoch.runId === null) {
        if (epoch.due) await this.enable(epoch, server);
      } else if (epoch.runId !== server)
        await this.disable(
          epoch,
          "the connection leads to another Redis server than the cache's; the cache is off for 3 s",
        );
    });
  }

  /** A server does not have this epoch: it was flushed, or belongs to another database. Never throws. */
  async onLost(epoch: Epoch): Promise<void> {
    // An epoch that is still being opened is not installed yet.
    if (this.deps.epoch.isNew(epoch)) return;
    await this.exclusively(() => this.disable(epoch, "Redis has lost the cache's epoch; the cache is off for 3 s"));
  }

  /** Skips the change while another one is in progress. */
  private async exclusively(change: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      await change();
    } catch (error) {
      this.deps.logger.debug({ err: error }, "the cache could not be switched; retrying with the next renewal");
    } finally {
      this.busy = false;
    }
  }

  private async disable({ epoch }: Epoch, reason: string): Promise<void> {
    await this.deps.epoch.disable(epoch);
    this.deps.logger.warn({ epoch }, reason);
  }

  private async enable(off: Epoch, server: string): Promise<void> {
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
