/** What one process of a replica has around its cache, on a real PostgreSQL and a real Redis. */
import type { Logger } from "../../observability/logger.ts";
import { Applier } from "../../replicas/applier.ts";
import { applyChanges, type Change } from "../../replicas/apply.ts";
import { Cache } from "../../replicas/cache/cache.ts";
import { CacheEpoch } from "../../replicas/cache/epoch.ts";
import { Keeper } from "../../replicas/cache/keeper.ts";
import { connectRedisLinks, type RedisLinks } from "../../replicas/connections.ts";
import { Lookup } from "../../replicas/reads/lookup.ts";
import { Rows } from "../../replicas/reads/rows.ts";
import { entity, openDatabase, replicaOf, silent } from "./replica.ts";

export class CacheProcess implements AsyncDisposable {
  readonly epoch: CacheEpoch;
  readonly cache: Cache;
  readonly rows: Rows;
  readonly lookup: Lookup;
  readonly applier: Applier;
  readonly links: RedisLinks | undefined;
  private readonly applies;
  private readonly watches;
  private readonly reads;

  private constructor(databaseUrl: string, redisUrl: string | undefined, name: string, logger: Logger) {
    this.applies = openDatabase(databaseUrl);
    this.watches = openDatabase(databaseUrl);
    this.reads = openDatabase(databaseUrl);
    this.links = redisUrl === undefined ? undefined : connectRedisLinks(redisUrl, name, logger);
    const redis = this.links;
    this.epoch = new CacheEpoch(this.watches);
    this.cache = new Cache(
      { redis, epoch: this.epoch, logger },
      { replica: name, collection: entity.plural, ttlSeconds: 600 },
      (lost) => void keeper.lost(lost),
    );
    const keeper = new Keeper({ epoch: this.epoch, redis, caches: [this.cache], logger });
    const replica = replicaOf("catalog");
    this.rows = new Rows(this.reads, entity, replica);
    this.lookup = new Lookup(this.cache, this.rows);
    const apply = (changes: readonly Change[], hold: Parameters<typeof applyChanges>[3]) =>
      applyChanges(this.applies, entity.plural, changes, hold);
    this.applier = new Applier({ apply, cache: this.cache, epoch: this.epoch, logger }, replica);
    this.epoch.start((error) => {
      if (error === undefined) void keeper.tend();
    });
  }

  /** @param name distinguishes the keys of tests that share a Redis. */
  static async start(
    databaseUrl: string,
    redisUrl: string | undefined,
    name: string,
    logger = silent,
  ): Promise<CacheProcess> {
    const started = new CacheProcess(databaseUrl, redisUrl, name, logger);
    await started.epoch.refresh();
    return started;
  }

  /** One batch all the way. @returns whether it is in the cache. */
  async take(changes: readonly Change[]): Promise<boolean> {
    const applied = await this.applier.apply(changes);
    return await applied.store();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.epoch.stop();
    this.links?.close();
    await Promise.all([this.applies.close(), this.watches.close(), this.reads.close()]);
  }
}
