/** A process of a replica: the product's consumer, applier, cache, catch-up and reads, as replicas/ wires them. */
import { replicaGroup, replicaTopic } from "../../contracts/topics.ts";
import { ConsumerLags } from "../../pipeline/consumer-lags.ts";
import { Database } from "../../platform/postgres/database.ts";
import { Applier } from "../../replicas/apply/applier.ts";
import { applyChanges, applyEach, type CacheGuard, type Change, testTable } from "../../replicas/apply/apply.ts";
import { RejectionTracker } from "../../replicas/apply/rejection-tracker.ts";
import { Cache } from "../../replicas/cache/cache.ts";
import { CacheController } from "../../replicas/cache/cache-controller.ts";
import { CacheWriter } from "../../replicas/cache/cache-writer.ts";
import { CacheEpoch } from "../../replicas/cache/epoch.ts";
import { CatchUp } from "../../replicas/catch-up/catch-up.ts";
import { Positions } from "../../replicas/catch-up/positions.ts";
import { EntityConsumer } from "../../replicas/consume.ts";
import { DeadLetterWriter } from "../../replicas/dead-letters.ts";
import { Lag } from "../../replicas/lag.ts";
import { Freshness } from "../../replicas/reads/freshness.ts";
import { Lookup } from "../../replicas/reads/lookup.ts";
import { Rows } from "../../replicas/reads/rows.ts";
import { type ReplicaTable, replicaTable } from "../../replicas/table.ts";
import { product } from "../project/index.ts";
import { SimulatedRedisLink } from "./redis-link.ts";
import type { ReplicaServers, Servers } from "./servers.ts";
import { silentLogger as logger, silentMetrics as metrics } from "./silent.ts";
import { SimulatedLog } from "./simulated-log.ts";
import type { SimulatedProcess } from "./world.ts";

/** Limits as in replicas/connections.ts. */
const LIMITS = { deadlineMs: 2_000, silenceMs: 12_000, maxPending: 1_000 };

/** Starts a process, and resolves never. @throws {Error} whatever ends it. */
export async function runReplica(
  servers: Servers,
  replica: ReplicaServers,
  process: SimulatedProcess,
  instance: string | undefined,
): Promise<void> {
  const { name } = replica.declaration;
  const pool = (max: number) => new Database(() => replica.database.connect(process, max), LIMITS);
  const pools = { applies: pool(1), singleRows: pool(1), epoch: pool(2), reads: pool(2) };
  const log = new SimulatedLog({ ...servers, process });
  const parts = createEntity(servers, replica, process, pools);
  replica.readers.set(process, parts);
  const { epoch, controller, applier, cacheWriter } = parts;
  if (replica.redis) {
    await epoch.refresh();
    epoch.start((error) => {
      if (error === undefined) void controller.reconcile();
    });
  }
  const topic = replicaTopic(product, name).name;
  const group = replicaGroup(product, name);
  const lag = new Lag();
  const consumer = new EntityConsumer(
    {
      ...{ applier, cacheWriter, lag, logger, metrics },
      deadLetters: new DeadLetterWriter(log, [product], `lockstep.replica.${name}.${crypto.randomUUID()}.dead-letters`),
      receipts: { add() {} },
      lags: new ConsumerLags(metrics.consumerLag, group),
      signal: new AbortController().signal,
    },
    product,
    replica.declaration,
  );
  const catchUp = new CatchUp({
    ...{ log, logger, metrics },
    positions: new Positions({ database: pools.reads, log, group, topics: [topic] }),
    process: (batch) => consumer.process(batch),
    onCaughtUp: () => {},
    rebuild: async () => servers.world.violate(`P10: ${name} rebuilds itself, although the log has lost nothing`),
    lagMs: () => lag.ms(Date.now(), 0),
  });
  await catchUp.begin();
  const member = await log.consume({
    group,
    topics: [topic],
    onBatch: (batch) => catchUp.process(batch),
    onAssigned: (partitions) => catchUp.assigned(partitions),
    onRevoked: (partitions) => {
      lag.revoked(partitions);
      consumer.revoked();
      catchUp.revoked(partitions);
    },
    onGap: (at) => catchUp.onGap(at),
    ...(instance === undefined ? {} : { groupInstanceId: instance }),
  });
  await Promise.race([member.ended, catchUp.failed]);
}

type Pools = Readonly<Record<"applies" | "singleRows" | "epoch" | "reads", Database>>;

/** As `createEntity` of replicas/replica.ts. */
function createEntity(
  { world }: Servers,
  { declaration, redis: server }: ReplicaServers,
  process: SimulatedProcess,
  pools: Pools,
) {
  const link = () => new SimulatedRedisLink(world, server!, process);
  const redis = server && { reads: link(), writes: link() };
  const epoch = new CacheEpoch(pools.epoch);
  const cache = new Cache(
    { redis, epoch, logger },
    { replica: declaration.name, entity: product, ttlSeconds: 60 },
    (lost) => void controller.onLost(lost),
  );
  const controller: CacheController = new CacheController({ epoch, redis, caches: [cache], logger });
  const cacheWriter = new CacheWriter({ cache, epoch, logger }, declaration);
  const table = replicaTable(product, declaration);
  const rows = new Rows(pools.reads, table);
  const freshness = new Freshness((versions) => rows.behind(versions));
  const applier = createApplier(table, pools, { epoch, cacheWriter, freshness });
  return { epoch, controller, cacheWriter, applier, lookup: new Lookup(cache, rows), freshness };
}

function createApplier(
  table: ReplicaTable,
  { applies, singleRows }: Pools,
  { epoch, cacheWriter, freshness }: { epoch: CacheEpoch; cacheWriter: CacheWriter; freshness: Freshness },
): Applier {
  const notifying =
    (apply: typeof applyChanges, database = applies) =>
    async (changes: readonly Change[], guard: CacheGuard) => {
      const result = await apply(database, table, changes, guard);
      freshness.onApplied(changes.filter(({ id }) => !result.rejected.has(id)));
      return result;
    };
  const applyOne = notifying(applyEach, singleRows);
  return new Applier({
    applyChanges: notifying(applyChanges),
    applyEach: notifying(applyEach),
    alone: {
      applyAll: notifying(applyChanges, singleRows),
      applyOne: (change, guard) => applyOne([change], guard),
      testTable: () => testTable(singleRows, table),
    },
    rejections: new RejectionTracker(product.plural, () => testTable(applies, table)),
    ...{ cacheWriter, epoch, logger },
  });
}
