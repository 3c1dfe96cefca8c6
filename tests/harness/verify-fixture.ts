/** A source and one replica with its cache, without relay and stream: the test itself delivers the outbox. */
import { Redis } from "ioredis";
import postgres, { type Sql } from "postgres";
import { cachePrefix, entryKey } from "../../contracts/cache-entry.ts";
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import { quotedTable } from "../../contracts/entity/table.ts";
import { decodeRouted, type RoutedEvent } from "../../contracts/routed-event.ts";
import { eventsTopic } from "../../contracts/topics.ts";
import { sourceMigrations } from "../../gateway/migrations/index.ts";
import { connectLog } from "../../kafka/connect-log.ts";
import type { Log } from "../../kafka/log.ts";
import { liveTarget } from "../../operations/verify/comparison-target.ts";
import { type VerifyDeps, type VerifyOptions, type VerifyResult, verify } from "../../operations/verify/verify.ts";
import { connectDedicated, connectPool } from "../../platform/postgres/connect.ts";
import { migrate } from "../../platform/postgres/migrate.ts";
import { toEventRecord } from "../../relay/event-record.ts";
import { Outbox } from "../../relay/outbox.ts";
import { type Decision, decideAll } from "../../stream/decide.ts";
import { validatorOf } from "../../stream/validate.ts";
import { product, project } from "../project/index.ts";
import { type CacheProcess, startCacheProcess } from "./cache-process.ts";
import { eventually } from "./eventually.ts";
import { type ReplicaDatabase, replicaDatabase, silentLogger } from "./replica.ts";
import { brokerAddress, freshDatabase, redisUrl } from "./servers.ts";
import { SimulatedLog } from "./simulated-log.ts";

/** An entity that only one test declares. */
export interface OwnEntity {
  /** Its first replica is the one of the fixture. */
  readonly entity: EntityDeclaration;
  /** Creates the table in the source; the fixture captures it. */
  readonly sourceTable: string;
  /** Options of `lockstep.capture`. Default: the key id, and the columns version, created_at and updated_at. */
  readonly capture?: object;
  /** Creates the table in the replica. */
  readonly replicaTable: string;
}

/** Captures the table as the test asks. */
async function captureOwn(source: Sql, { entity, capture }: OwnEntity): Promise<void> {
  const table = quotedTable(entity.table);
  if (capture === undefined) await source`select lockstep.capture(${table}::text::regclass, ${entity.name}::text)`;
  else
    await source`
      select lockstep.capture(${table}::text::regclass, ${entity.name}::text, ${JSON.stringify(capture)}::text::jsonb)`;
}

/** Databases, cache and log for tests of `lockstep verify`. */
export class VerifyFixture implements AsyncDisposable {
  /** True simulates events that the replica has not consumed yet. */
  isBehind = false;
  readonly log: Log;
  /** The replica under a unique name, so that tests that share a Redis have separate keys. */
  readonly catalog: ReplicaDeclaration;
  private readonly relay: Sql;
  /** The clients of the operations. */
  private readonly pools: { readonly source: Sql; readonly replica: Sql };

  private constructor(
    /** The entity, with {@link catalog} as its only replica. */
    readonly entity: EntityDeclaration,
    /** A client as a user of psql has one. */
    readonly source: Sql,
    /** URL of the source's database. */
    readonly sourceUrl: string,
    readonly database: ReplicaDatabase,
    readonly process: CacheProcess,
    readonly redis: Redis,
    private readonly realLog: Log,
  ) {
    this.catalog = entity.replicas[0]!;
    this.relay = connectDedicated(sourceUrl, "test");
    const options = { max: 2, name: "test", statementTimeoutMs: 60_000 };
    this.pools = { source: connectPool(sourceUrl, options), replica: connectPool(database.url, options) };
    const ends = (topic: string) => (this.isBehind && topic !== eventsTopic(entity).name ? 5 : 0);
    this.log = {
      ...realLog,
      offsets: async (topic) => new Map([[0, { first: 0, next: ends(topic) }]]),
      committedOffsets: async () => new Map([[0, 0]]),
    };
  }

  /**
   * Resolves when the cache is enabled.
   *
   * @param own an entity of the test's own, and the statements that create its tables. Default: product in the catalog.
   */
  static async start(own?: OwnEntity): Promise<VerifyFixture> {
    const declared = own?.entity ?? product;
    const [first] = declared.replicas as [ReplicaDeclaration];
    const catalog = { ...first, name: `${first.name}-${crypto.randomUUID().slice(0, 8)}` };
    const entity = { ...declared, replicas: [catalog] };
    const url = await freshDatabase();
    await migrate(url, sourceMigrations(project), silentLogger);
    const source = postgres(url, { max: 3, onnotice: () => {}, connection: { TimeZone: "UTC" } });
    const database = await replicaDatabase("catalog");
    if (own) {
      // The user is named like Lockstep's schema, which would otherwise come first.
      await source.unsafe(`set search_path to public; ${own.sourceTable}`).simple();
      await captureOwn(source, own);
      await database.sql.unsafe(`set search_path to public; ${own.replicaTable}`).simple();
    }
    const replicated = { entity, replica: catalog };
    const process = await startCacheProcess(database.url, await redisUrl(), catalog.name, { replicated });
    const redis = new Redis(await redisUrl());
    const real = await connectLog({ brokers: [await brokerAddress()], clientId: "test", logger: silentLogger });
    await eventually(() => process.replica.epoch.lease()?.runId, { timeoutMs: 10_000, what: "the cache to be on" });
    return new VerifyFixture(entity, source, url, database, process, redis, real);
  }

  /**
   * Brings the outbox to the replica, by the functions of relay, stream and replica, and empties it.
   *
   * @param mapper the declaration that these use. A faulty one simulates a fault in them.
   * @returns the stream's decisions.
   */
  async deliver(mapper: EntityDeclaration = this.entity): Promise<readonly Decision[]> {
    const outbox = new Outbox(this.relay, false);
    const rows = await outbox.read(100_000);
    const { catalog } = this;
    const replica = mapper.replicas.find(({ name }) => name === catalog.name)!;
    const input = new SimulatedLog(1);
    const at = { topic: eventsTopic(mapper).name, partition: 0 };
    input.append(
      at,
      rows.map((row) => toEventRecord(mapper, row, undefined)),
    );
    const { decisions } = decideAll(
      {
        entity: mapper,
        replicaTopics: new Map([[catalog.name, catalog.name]]),
        validate: validatorOf(mapper, 1),
        traceparentOf: () => undefined,
      },
      new Map(),
      input.records(at),
    );
    const output = new SimulatedLog(1);
    const to = { topic: catalog.name, partition: 0 };
    for (const { topic, record } of decisions.flatMap(({ outputs }) => outputs))
      if (topic === catalog.name) output.append(to, [record]);
    await this.apply(output.records(to).map((record) => decodeRouted(record, { entity: mapper, replica })));
    await outbox.read(0, { seqs: rows.map(({ seq }) => seq), positions: new Map() });
    return decisions;
  }

  /** Applies events in batches that contain each id once, as after the replica's reduction. */
  private async apply(events: readonly RoutedEvent[]): Promise<void> {
    let batch: RoutedEvent[] = [];
    for (const event of events) {
      if (batch.some(({ id }) => id === event.id)) {
        await this.process.applyAndCache(batch);
        batch = [];
      }
      batch.push(event);
    }
    if (batch.length > 0) await this.process.applyAndCache(batch);
  }

  /** Inserts products and leaves their events in the outbox. @returns their ids. */
  async insert(count: number): Promise<string[]> {
    const rows = await this.source<{ id: string }[]>`
      insert into products (sku, name, price) select gen_random_uuid(), 'Cup', n from generate_series(1, ${count}) n returning id`;
    return rows.map(({ id }) => id);
  }

  /** Changes the source's table with all triggers disabled, so that no event is captured. */
  async changeWithoutTriggers(change: (sql: Sql) => Promise<unknown>): Promise<void> {
    const table = quotedTable(this.entity.table);
    await this.source.unsafe(`alter table ${table} disable trigger all`);
    await change(this.source);
    // An entity that is captured keeps its options.
    await this.source`select lockstep.capture(${table}::text::regclass, ${this.entity.name})`;
  }

  /**
   * Runs `verify` for this entity and replica.
   *
   * @param redis a client to use instead of this fixture's own.
   * @param connect returns a client of the replica's database to use instead of this fixture's own.
   */
  async verify(
    options: Partial<VerifyOptions> = {},
    redis: Redis = this.redis,
    connect: () => Sql = () => this.pools.replica,
  ): Promise<VerifyResult> {
    const { log } = this;
    const { source } = this.pools;
    const targetFor: VerifyDeps["targetFor"] = (of, replica) =>
      liveTarget({ source, replica: connect(), log }, of, replica);
    const [verified] = await verify({ source, targetFor, redis }, this.entity, [this.catalog], {
      share: 1,
      timeoutMs: 1_000,
      everyRow: false,
      signal: new AbortController().signal,
      onProgress: () => {},
      ...options,
    });
    return verified!;
  }

  /** Runs `verify`. @returns the kind of each difference, by entity id. */
  async differenceKinds(options: Partial<VerifyOptions> = {}): Promise<Map<string, string>> {
    return new Map((await this.verify(options)).differences.map(({ id, kind }) => [id, kind]));
  }

  /** Returns the Redis key of an entity's cache entry. */
  cacheKey(id: string): string {
    return entryKey(cachePrefix(this.catalog.name, this.entity), id);
  }

  /** Returns the text of an entity's cache entry. @throws {Error} when there is none. */
  async cacheEntry(id: string): Promise<string> {
    const entry = await this.redis.get(this.cacheKey(id));
    if (entry === null) throw new Error(`${id} is not cached`);
    return entry;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.redis.disconnect();
    await this.process[Symbol.asyncDispose]();
    await this.database[Symbol.asyncDispose]();
    for (const sql of [this.relay, this.source, ...Object.values(this.pools)]) await sql.end({ timeout: 1 });
    await this.realLog.close();
  }
}
