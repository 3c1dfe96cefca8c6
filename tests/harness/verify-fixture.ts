/** A source and one replica with its cache, without relay and stream: the test itself delivers the outbox. */
import { Redis } from "ioredis";
import postgres, { type Sql } from "postgres";
import { cachePrefix } from "../../contracts/cache-entry.ts";
import type { ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { documentOf } from "../../contracts/entity/row.ts";
import { eventsTopic } from "../../contracts/topics.ts";
import { migrations } from "../../gateway/migrations/index.ts";
import { connectLog } from "../../kafka/connect-log.ts";
import type { Log } from "../../kafka/log.ts";
import { liveTarget } from "../../operations/verify/comparison-target.ts";
import { type VerifyDeps, type VerifyOptions, type VerifyResult, verify } from "../../operations/verify/verify.ts";
import { listText } from "../../platform/postgres/connect.ts";
import { migrate } from "../../platform/postgres/migrate.ts";
import type { Change } from "../../replicas/apply/apply.ts";
import { type CacheProcess, startCacheProcess } from "./cache-process.ts";
import { eventually } from "./eventually.ts";
import { entity, type ReplicaDatabase, replicaDatabase, replicaOf, silentLogger } from "./replica.ts";
import { brokerAddress, freshDatabase, redisUrl } from "./servers.ts";

type Row = Record<string, unknown>;

/** Databases, cache and log for tests of `lockstep verify`. */
export class VerifyFixture implements AsyncDisposable {
  /** True simulates events that the replica has not consumed yet. */
  isBehind = false;
  readonly log: Log;
  /** The catalog under a unique name, so that tests that share a Redis have separate keys. */
  readonly catalog: ReplicaDeclaration;

  private constructor(
    readonly source: Sql,
    readonly database: ReplicaDatabase,
    private readonly process: CacheProcess,
    readonly redis: Redis,
    private readonly realLog: Log,
    name: string,
  ) {
    this.catalog = { ...replicaOf("catalog"), name };
    const ends = (topic: string) => (this.isBehind && topic !== eventsTopic(entity).name ? 5 : 0);
    this.log = {
      ...realLog,
      offsets: async (topic) => new Map([[0, { first: 0, next: ends(topic) }]]),
      committedOffsets: async () => new Map([[0, 0]]),
    };
  }

  /** Resolves when the cache is enabled. */
  static async start(): Promise<VerifyFixture> {
    const url = await freshDatabase();
    await migrate(url, migrations, silentLogger);
    const source = postgres(url, { max: 3, onnotice: () => {}, connection: { TimeZone: "UTC" } });
    const database = await replicaDatabase("catalog");
    const name = `catalog-${crypto.randomUUID().slice(0, 8)}`;
    const process = await startCacheProcess(database.url, await redisUrl(), name);
    const redis = new Redis(await redisUrl());
    const real = await connectLog({ brokers: [await brokerAddress()], clientId: "test", logger: silentLogger });
    await eventually(() => process.replica.epoch.lease()?.runId, { timeoutMs: 10_000, what: "the cache to be on" });
    return new VerifyFixture(source, database, process, redis, real, name);
  }

  /** Applies the outbox to the replica, as relay and stream would, and empties it. */
  async deliver(): Promise<void> {
    const rows = await this.source<
      { seq: string; id: string; version: string; digest: string | null; data: Row | null; resend: boolean }[]
    >`select seq::text, id, version, digest::text, data, resend from lockstep.outbox order by outbox.seq`;
    let batch: Change[] = [];
    for (const { id, version, digest, data, resend } of rows) {
      // A batch contains each id once, as after the replica's reduction.
      if (batch.some((change) => change.id === id)) {
        await this.process.applyAndCache(batch);
        batch = [];
      }
      const headers = { ...(digest ? { digest } : {}), ...(resend ? { resend: "1" } : {}) };
      batch.push({ id, version: Number(version), document: this.project(data, Number(version)), ...headers });
    }
    if (batch.length > 0) await this.process.applyAndCache(batch);
    if (rows.length > 0)
      await this.source`delete from lockstep.outbox where seq = any(${listText(rows.map(({ seq }) => seq))}::bigint[])`;
  }

  private project(data: Row | null, version: number): Document | null {
    const source = data && documentOf(entity.fields, data);
    if (!source) return null;
    const { id, createdAt, updatedAt } = source;
    return { id, ...this.catalog.project(source), createdAt, updatedAt, version };
  }

  /** Inserts products and leaves their events in the outbox. @returns their ids. */
  async insert(count: number): Promise<string[]> {
    const rows = await this.source<{ id: string }[]>`
      insert into products (sku, name, price) select gen_random_uuid(), 'Cup', n from generate_series(1, ${count}) n returning id`;
    return rows.map(({ id }) => id);
  }

  /** Changes the source's table with all triggers disabled, so that no event is captured. */
  async changeWithoutTriggers(change: (sql: Sql) => Promise<unknown>): Promise<void> {
    await this.source.unsafe(`alter table ${entity.plural} disable trigger all`);
    await change(this.source);
    const captures = ["stamp", "inserted", "updated", "deleted", "truncated"].map(
      (name) => `alter table ${entity.plural} enable always trigger lockstep_${name}`,
    );
    await this.source.unsafe(captures.join(";"));
  }

  /** Runs `verify` for this entity and replica. @param redis a client to use instead of this fixture's own. */
  async verify(options: Partial<VerifyOptions> = {}, redis: Redis = this.redis): Promise<VerifyResult> {
    const { source, log } = this;
    const targetFor: VerifyDeps["targetFor"] = (of, replica) =>
      liveTarget({ source, replica: this.database.sql, log }, of, replica);
    const [verified] = await verify({ source, targetFor, redis }, entity, [this.catalog], {
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
    return `${cachePrefix(this.catalog.name, entity.plural)}:${id}`;
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
    await this.source.end({ timeout: 1 });
    await this.realLog.close();
  }
}
