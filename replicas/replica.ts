/** One replica's database, cache and entities, without the log and HTTP, so that tests can use these on their own. */
import { watchBuffer, watchPool } from "../observability/gauges.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Database } from "../platform/postgres/database.ts";
import { Applier } from "./apply/applier.ts";
import { applyChanges, applyEach, type CacheGuard, type Change, prepareTable, testTable } from "./apply/apply.ts";
import { RejectionTracker, TableRejectsError } from "./apply/rejection-tracker.ts";
import { Cache } from "./cache/cache.ts";
import { CacheController } from "./cache/cache-controller.ts";
import { CacheWriter } from "./cache/cache-writer.ts";
import { CacheEpoch, type Epoch } from "./cache/epoch.ts";
import { connectDatabases, connectRedisLinks, type Databases, type RedisLinks } from "./connections.ts";
import { Freshness, MAX_WAITING } from "./reads/freshness.ts";
import { Lookup } from "./reads/lookup.ts";
import { Rows } from "./reads/rows.ts";
import { isPublic, type ReplicatedEntity } from "./replicated-entities.ts";
import { type ReplicaTable, replicaTable } from "./table.ts";

/** One entity: its write path (`applier`, `cacheWriter`) and its read path (`lookup`, `rows`, `freshness`). */
export interface EntityReplica extends ReplicatedEntity {
  readonly table: ReplicaTable;
  readonly applier: Applier;
  readonly cacheWriter: CacheWriter;
  readonly cache: Cache;
  readonly rows: Rows;
  readonly lookup: Lookup;
  readonly freshness: Freshness;
}

/** Settings of {@link Replica}. */
export interface ReplicaSettings {
  /** Part of the cache's keys: processes with the same database and name share the cache. */
  readonly name: string;
  readonly databaseUrl: string;
  /** Undefined: no cache. */
  readonly redisUrl: string | undefined;
  readonly entities: readonly ReplicatedEntity[];
  /** Connections for reads, appliers and the epoch together; {@link connectDatabases} has the minimum. */
  readonly connections: number;
  readonly statementTimeoutMs: number;
}

/** Time between two attempts to prepare a table that does not fit its declaration, in milliseconds. */
const RETRY_TABLES_MS = 1_000;

/** Database, cache and entities of one replica in one process. */
export class Replica {
  readonly epoch: CacheEpoch;
  readonly entities: readonly EntityReplica[];
  /** Undefined: no cache is configured. */
  readonly redis: RedisLinks | undefined;
  private readonly databases: Databases;
  private readonly cacheController: CacheController;
  private retryTablesAt = 0;

  /** Connects lazily: an unavailable server is no error here. */
  constructor(
    settings: ReplicaSettings,
    private readonly logger: Logger,
    onEpoch?: (epoch: Epoch) => void,
  ) {
    const { name, databaseUrl, redisUrl, entities } = settings;
    this.databases = connectDatabases(databaseUrl, { ...settings, appliers: entities.filter(isPublic).length });
    this.redis = redisUrl === undefined ? undefined : connectRedisLinks(redisUrl, name, logger);
    this.epoch = new CacheEpoch(this.databases.epoch, onEpoch);
    this.entities = entities.map((one) => this.createEntity(one, name));
    const caches = this.entities.map(({ cache }) => cache);
    this.cacheController = new CacheController({ epoch: this.epoch, redis: this.redis, caches, logger });
  }

  /** For small queries beside the replica's work. */
  get database(): Database {
    return this.databases.reads;
  }

  /** Why the database rejects every write, for people; undefined while it accepts them. */
  readOnlyProblem(): string | undefined {
    const rejected = this.entities.map(({ applier }) => applier.readOnlyProblem).find(Boolean);
    return rejected ?? (this.epoch.isReadOnly ? "it is a standby, or default_transaction_read_only is on" : undefined);
  }

  /** Which table does not fit its declaration, for people; undefined while all do. */
  tableProblem(): string | undefined {
    return this.entities.map(({ table }) => table.problem).find(Boolean);
  }

  /** Reports the use of the connection pools and the number of waiting reads. */
  watchUsage(metrics: Metrics): void {
    const { applies, singleRows, epoch, reads } = this.databases;
    for (const [pool, database] of Object.entries({ applies, "single-rows": singleRows, epoch, reads }))
      watchPool(metrics, pool, () => database.use);
    watchBuffer(metrics, "waiting-reads", MAX_WAITING * this.entities.length, () =>
      this.entities.reduce((sum, { freshness }) => sum + freshness.size, 0),
    );
  }

  /**
   * Prepares the tables' apply functions and starts to renew the lease on the cache's epoch. The schema must be up to
   * date. An entity whose table does not fit its declaration waits until it does; the others are applied.
   *
   * @param onHeartbeat called with each renewal, several times a second; with an error when the database did not
   * respond.
   * @throws {Error} when the database is unavailable.
   */
  async start(onHeartbeat: (error?: unknown) => void = () => {}): Promise<void> {
    await this.prepareTables();
    for (const { table } of this.entities) if (table.problem) this.logger.error(table.problem);
    await this.epoch.refresh();
    this.epoch.start((error) => {
      onHeartbeat(error);
      if (error !== undefined) return;
      void this.cacheController.reconcile();
      void this.retryTables();
    });
  }

  /** Prepares the tables that are not prepared. A table that does not fit its declaration keeps its problem. */
  private async prepareTables(): Promise<void> {
    for (const { table } of this.entities)
      await prepareTable(this.databases.applies, table).catch((error) => {
        if (!(error instanceof TableRejectsError)) throw error;
      });
  }

  /** An entity without events would show a problem that is over. */
  private async retryTables(): Promise<void> {
    if (performance.now() < this.retryTablesAt || this.tableProblem() === undefined) return;
    this.retryTablesAt = performance.now() + RETRY_TABLES_MS;
    await this.prepareTables().catch(() => {}); // the next event fails with the same error
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    this.epoch.stop();
    this.redis?.close();
    await this.databases.close();
  }

  private createEntity({ entity, replica }: ReplicatedEntity, name: string): EntityReplica {
    const { databases, epoch, redis, logger } = this;
    const cache = new Cache(
      { redis, epoch, logger },
      {
        replica: name,
        entity,
        ttlSeconds: replica.cacheTtlSeconds,
      },
      (lost) => void this.cacheController.onLost(lost),
    );
    const cacheWriter = new CacheWriter({ cache, epoch, logger }, replica);
    const table = replicaTable(entity, replica);
    const rows = new Rows(databases.reads, table);
    const freshness = new Freshness((versions) => rows.behind(versions));
    const { applies, singleRows } = databases;
    const notifying =
      (apply: typeof applyChanges, database = applies) =>
      async (changes: readonly Change[], guard: CacheGuard) => {
        const result = await apply(database, table, changes, guard);
        const { rejected } = result;
        freshness.onApplied(rejected.size === 0 ? changes : changes.filter(({ id }) => !rejected.has(id)));
        return result;
      };
    const applyOne = notifying(applyEach, singleRows);
    const applier = new Applier({
      applyChanges: notifying(applyChanges),
      applyEach: notifying(applyEach),
      alone: {
        applyAll: notifying(applyChanges, singleRows),
        applyOne: (change, guard) => applyOne([change], guard),
        testTable: () => testTable(singleRows, table),
      },
      rejections: new RejectionTracker(entity.plural, () => testTable(applies, table)),
      cacheWriter,
      epoch,
      logger,
    });
    const lookup = new Lookup(cache, rows);
    return { entity, replica, table, applier, cacheWriter, cache, rows, lookup, freshness };
  }
}
