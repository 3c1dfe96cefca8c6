/** A replica without its log and its HTTP port: database and cache, and for each entity the way in (applier) and the way out (lookup). */
import { allEntities } from "../contracts/entities/index.ts";
import type { EntityDeclaration, ReplicaDeclaration } from "../contracts/entity/declaration.ts";
import { watchBuffer, watchPool } from "../observability/gauges.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Database } from "../platform/postgres/database.ts";
import { Applier } from "./apply/applier.ts";
import { applyChanges, applyEach, type CacheGuard, type Change, prepareTable, takesRows } from "./apply/apply.ts";
import { RejectionTracker } from "./apply/rejection-tracker.ts";
import { Cache } from "./cache/cache.ts";
import { CacheController } from "./cache/cache-controller.ts";
import { CacheEpoch, type Epoch } from "./cache/epoch.ts";
import { connectDatabases, connectRedisLinks, type Databases, type RedisLinks } from "./connections.ts";
import { Freshness, MAX_WAITING } from "./reads/freshness.ts";
import { Lookup } from "./reads/lookup.ts";
import { Rows } from "./reads/rows.ts";

/** One entity as this replica keeps it. */
export interface ReplicatedEntity {
  readonly entity: EntityDeclaration;
  readonly replica: ReplicaDeclaration;
}

export interface KeptEntity extends ReplicatedEntity {
  readonly cache: Cache;
  readonly rows: Rows;
  readonly lookup: Lookup;
  readonly freshness: Freshness;
  readonly applier: Applier;
}

export interface ReplicaSettings {
  /** Also in the names of the cache's keys: processes that share database and name share the cache. */
  readonly name: string;
  readonly databaseUrl: string;
  /** Undefined: there is no cache. */
  readonly redisUrl: string | undefined;
  readonly kept: readonly ReplicatedEntity[];
  /** Most connections to PostgreSQL. */
  readonly connections: number;
  readonly statementTimeoutMs: number;
}

export class Replica {
  readonly epoch: CacheEpoch;
  /** For small questions beside the work. */
  get database(): Database {
    return this.databases.reads;
  }
  readonly entities: readonly KeptEntity[];
  readonly redis: RedisLinks | undefined;
  private readonly databases: Databases;
  private readonly keeper: CacheController;

  /** Connects to nothing yet that must be there. */
  constructor(
    settings: ReplicaSettings,
    private readonly logger: Logger,
    onEpoch?: (epoch: Epoch) => void,
  ) {
    const { name, databaseUrl, redisUrl, kept } = settings;
    this.databases = connectDatabases(databaseUrl, { ...settings, appliers: kept.filter(isReplicated).length });
    this.redis = redisUrl === undefined ? undefined : connectRedisLinks(redisUrl, name, logger);
    this.epoch = new CacheEpoch(this.databases.epoch, onEpoch);
    this.entities = kept.map((one) => this.keep(one, name));
    const caches = this.entities.map(({ cache }) => cache);
    this.keeper = new CacheController({ epoch: this.epoch, redis: this.redis, caches, logger });
  }

  /** Tells what the replica has in use of its connections, and who waits for it. */
  show(metrics: Metrics): void {
    const { applies, epoch, reads } = this.databases;
    for (const [pool, database] of Object.entries({ applies, epoch, reads }))
      watchPool(metrics, pool, () => database.use);
    watchBuffer(metrics, "waiting-reads", MAX_WAITING * this.entities.length, () =>
      this.entities.reduce((sum, { freshness }) => sum + freshness.size, 0),
    );
  }

  private keep({ entity, replica }: ReplicatedEntity, name: string): KeptEntity {
    const { databases, epoch, redis, logger } = this;
    const cache = new Cache(
      { redis, epoch, logger },
      {
        replica: name,
        collection: entity.plural,
        schemaVersion: entity.schemaVersion,
        ttlSeconds: replica.cacheTtlSeconds,
      },
      (lost) => void this.keeper.lost(lost),
    );
    const rows = new Rows(databases.reads, entity, replica);
    const freshness = new Freshness((wanted) => rows.behind(wanted));
    const told = (how: typeof applyChanges) => async (changes: readonly Change[], hold: CacheGuard) => {
      const result = await how(databases.applies, entity.plural, changes, hold);
      freshness.applied(changes.filter(({ id }) => !result.refused.has(id)));
      return result;
    };
    const refusals = new RejectionTracker(entity.plural, () => takesRows(databases.applies, entity, replica));
    const deps = { apply: told(applyChanges), applyEach: told(applyEach), refusals, cache, epoch, logger };
    const applier = new Applier(deps, replica);
    return {
      entity,
      replica,
      cache,
      rows,
      lookup: new Lookup(cache, rows),
      freshness,
      applier,
    };
  }

  /**
   * Makes the tables' apply functions and begins to watch the cache's epoch. The schema must be up to date.
   *
   * @param answered is told several times a second how the database answers: without an error, it does.
   * @throws {Error} when a table does not fit its declaration, or the database cannot be reached.
   */
  async start(answered: (error?: unknown) => void = () => {}): Promise<void> {
    for (const { entity, replica } of this.entities) await prepareTable(this.databases.applies, entity, replica);
    await this.epoch.refresh();
    this.epoch.start((error) => {
      answered(error);
      if (error === undefined) void this.keeper.reconcile();
    });
  }

  async close(): Promise<void> {
    this.epoch.stop();
    this.redis?.close();
    await this.databases.close();
  }
}

export const isReplicated = ({ entity }: Pick<ReplicatedEntity, "entity">): boolean => !entity.internal;

/** The canary among them. @throws {Error} when no entity has the replica. */
export function keptBy(name: string): ReplicatedEntity[] {
  const kept = allEntities.flatMap((entity) =>
    entity.replicas.filter((replica) => replica.name === name).map((replica) => ({ entity, replica })),
  );
  if (kept.length === 0) throw new Error(`no entity has a replica ${name}`);
  return kept;
}
