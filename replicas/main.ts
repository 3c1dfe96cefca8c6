/** Wires one replica: its PostgreSQL, its cache, the log, its HTTP reads. Any number of processes may run the same replica. */
import { replicaKey } from "../contracts/control.ts";
import { canary } from "../contracts/entities/canary.ts";
import { entities } from "../contracts/entities/index.ts";
import { CANARY_PARTITIONS, receiptsTopic, replicaGroup, replicaTopic, topicsOf } from "../contracts/topics.ts";
import { Pause } from "../platform/control.ts";
import { serveHttp, serviceApp } from "../platform/http.ts";
import { connectLog } from "../platform/log/kafkajs/index.ts";
import type { Follower } from "../platform/log/log.ts";
import { migrate } from "../platform/migrate.ts";
import type { Running } from "../platform/run.ts";
import type { Service } from "../platform/service.ts";
import { copiesOf } from "../platform/settings.ts";
import { CatchUp } from "./catch-up.ts";
import { EntityFollower } from "./follow.ts";
import { markHealedLetters } from "./healed.ts";
import { healthChecks } from "./health.ts";
import { Lag } from "./lag.ts";
import { Letters } from "./letters.ts";
import { migrationsOf } from "./migrations/index.ts";
import { Positions } from "./positions.ts";
import { addReads } from "./reads/routes.ts";
import { dropOld, rebuild } from "./rebuild/index.ts";
import { Receipts } from "./receipts.ts";
import { isNoCanary, keptBy, Replica } from "./replica.ts";

/** What is fetched at a time bounds the memory; a statement takes 2,000 rows at most anyway. */
const FETCH_BYTES = 131_072;

/** @throws {Error} when DATABASE_URL is missing, or the database or brokers cannot be reached at the start. */
export async function startReplica({ settings, logger, metrics }: Running, name: string): Promise<Service> {
  const url = settings.DATABASE_URL;
  if (!url) throw new Error(`DATABASE_URL is not set: replica ${name} needs a PostgreSQL of its own`);
  let follower: Follower | undefined;
  const lag = new Lag(() => follower?.fetchAgeMs());
  const replica = new Replica(
    {
      name,
      databaseUrl: url,
      redisUrl: settings.REDIS_URL,
      kept: keptBy(name),
      connections: settings.LOCKSTEP_DATABASE_POOL,
      statementTimeoutMs: settings.LOCKSTEP_STATEMENT_TIMEOUT_MS,
    },
    logger,
    ({ epoch }) => metrics.cacheEpoch.set({ replica: name }, epoch),
  );
  replica.show(metrics);
  let followers: readonly EntityFollower[] = [];
  const health = healthChecks({
    follower: () => follower,
    tableProblem: () => followers.find(({ tableProblem }) => tableProblem)?.tableProblem,
    epoch: replica.epoch,
    redis: replica.redis,
  });
  const pause = new Pause({ logger, metrics });
  let catchUp: CatchUp | undefined;
  const positions = { name: "positions", problem: () => catchUp?.check.problem() };
  const app = serviceApp({ checks: [...health.checks, positions, pause.check], metrics, logger });
  const reading = {
    metrics,
    lagMs: () => lag.ms(Date.now()),
    waitMs: settings.LOCKSTEP_READ_WAIT_MS,
    mostWaitMs: settings.LOCKSTEP_MAX_WAIT_MS,
  };
  for (const kept of replica.entities.filter(isNoCanary)) addReads(app, { ...reading, ...kept }, kept.entity, name);
  const http = serveHttp(app, settings);

  await migrate(url, migrationsOf(name), logger);
  await replica.start(health.databaseAnswered);
  const log = await connectLog({ brokers: settings.KAFKA_BROKERS, clientId: `lockstep-replica-${name}`, logger });
  const copies = copiesOf(settings);
  await log.ensureTopics(entities.flatMap(topicsOf), { ...copies, partitions: settings.LOCKSTEP_PARTITIONS });
  await log.ensureTopics(topicsOf(canary), { ...copies, partitions: CANARY_PARTITIONS });
  await log.ensureTopics([receiptsTopic], { ...copies, partitions: 1 });
  const control = await pause.watch(log, replicaKey(name), copies);
  const receipts = new Receipts({ log, logger, metrics }, `lockstep.replica.${name}.${instanceOf(settings)}.receipts`);
  const letters = new Letters(
    log,
    [...entities, canary],
    `lockstep.replica.${name}.${instanceOf(settings)}.dead-letters`,
  );
  const byTopic = new Map(
    replica.entities.map((kept) => {
      const following = new EntityFollower(
        { applier: kept.applier, lag, receipts: isNoCanary(kept) ? receipts : untold, letters, logger, metrics },
        kept.entity,
        kept.replica,
      );
      return [following.topic, following];
    }),
  );
  followers = [...byTopic.values()];
  const ending = new AbortController();
  const group = replicaGroup(name);
  const catchingUp = new CatchUp({
    positions: new Positions({ database: replica.database, log, group, topics: [...byTopic.keys()] }),
    log,
    process: async (batch) => byTopic.get(batch.topic)?.process(batch),
    async rebuild() {
      await dropOld(url);
      await rebuild(name, { databaseUrl: url, log, signal: ending.signal, onProgress: () => {} });
    },
    lagMs: () => lag.ms(Date.now()),
    logger,
    metrics,
  });
  catchUp = catchingUp;
  await catchingUp.begin();
  const followed = await log.follow({
    group,
    topics: [...byTopic.keys()],
    onBatch: (batch) => catchingUp.take(batch),
    onAssigned: (partitions) => catchingUp.assigned(partitions),
    onRevoked: (partitions) => {
      lag.revoked(partitions);
      for (const { partition } of partitions) metrics.consumerLag.remove({ group, partition: String(partition) });
      catchingUp.revoked(partitions);
    },
    maxBytesPerPartition: FETCH_BYTES,
    paused: pause.paused,
    ...(settings.LOCKSTEP_INSTANCE ? { instance: settings.LOCKSTEP_INSTANCE } : {}),
    onGap: (at, from, to) => {
      metrics.inputGaps.inc({ group });
      logger.error({ ...at, from, to }, "the log no longer holds these changes: verify the replica");
    },
  });
  follower = followed;
  const healing = markHealedLetters(
    { log, logger, letters },
    name,
    replica.entities.filter(isNoCanary).map(({ entity, replica: { name }, rows }) => ({
      entity,
      behind: (wanted) => rows.behind(wanted),
      has: (partition) =>
        followed.assigned().some((at) => at.topic === replicaTopic(entity, name).name && at.partition === partition),
    })),
  );
  pause.rule(followed);
  http.openShared();

  return {
    ended: Promise.race([followed.ended, control.ended, catchingUp.failed]),
    async stop() {
      ending.abort();
      await catchingUp.close();
      await followed.close();
      await healing.close();
      await letters.close();
      await receipts.close();
      await log.close();
      await http.stop();
      await replica.close();
    },
  };
}

/** Nobody waits for the canary, and nobody shall see it. */
const untold: Pick<Receipts, "add"> = { add() {} };

/** A name that no other process of the replica has at the same time. */
const instanceOf = ({ LOCKSTEP_INSTANCE }: Running["settings"]): string => LOCKSTEP_INSTANCE ?? crypto.randomUUID();
