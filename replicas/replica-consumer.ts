/**
 * Consumes a replica's topics: first brings the database to its consumer group, then passes on the batches.
 */
import { replicaKey } from "../contracts/control.ts";
import { qualify } from "../contracts/project.ts";
import { receiptsTopic, replicaGroup, replicaTopic } from "../contracts/topics.ts";
import { type Batch, type Consumer, type Log, partitionKey } from "../kafka/log.ts";
import { ConsumerLags } from "../pipeline/consumer-lags.ts";
import { ensureEntityTopics } from "../pipeline/ensure-topics.ts";
import { LagTrend } from "../pipeline/lag-trend.ts";
import type { PauseControl } from "../pipeline/pause.ts";
import type { ServiceDeps } from "../platform/run.ts";
import { replicationOptionsOf } from "../platform/settings/settings.ts";
import { CatchUp } from "./catch-up/catch-up.ts";
import { Positions } from "./catch-up/positions.ts";
import { rebuild } from "./catch-up/rebuild/index.ts";
import { EntityConsumer } from "./consume.ts";
import { DeadLetterWriter } from "./dead-letters.ts";
import { Lag } from "./lag.ts";
import { Progress } from "./progress.ts";
import { Receipts } from "./receipts.ts";
import type { Replica } from "./replica.ts";
import { isPublic } from "./replicated-entities.ts";
import { type DeadLetterResolver, resolveSupersededDeadLetters } from "./resolve-superseded.ts";

/**
 * Bytes per fetch and partition, so that four partitions bring 4,000 events. In larger batches more events are of the
 * same entities: with 128 KiB, PostgreSQL and Redis used 25 % more CPU in a bulk load.
 */
const FETCH_BYTES = 786_432;
/** Delay of fetches in a bulk load, in ms. Larger batches save a sixth of the work where entities change twice. */
const LINGER_MS = 200;
/** Time between two samples of the lag. */
const SAMPLE_MS = 1_000;

/** In milliseconds. A shorter lag is usual, during a rebalance for example. */
const LAG_LIMITS = { minLag: 10_000, minGrowth: 1_000 };

/** Collaborators of {@link ReplicaConsumer}. */
export interface ReplicaConsumerDeps extends ServiceDeps {
  /** The replica's name. */
  readonly name: string;
  readonly databaseUrl: string;
  readonly replica: Replica;
  readonly pause: PauseControl;
}

/** What needs the log, and therefore exists from {@link ReplicaConsumer.start} on. */
interface Started {
  readonly receipts: Receipts;
  readonly deadLetters: DeadLetterWriter;
  readonly lags: ConsumerLags;
  /** By topic. */
  readonly consumers: ReadonlyMap<string, EntityConsumer>;
  readonly catchUp: CatchUp;
}

/** The consumer of one process. It exists before its start, so that health checks can report during the start. */
export class ReplicaConsumer {
  private readonly lag = new Lag();
  private readonly progress = new Progress();
  private readonly lagTrend = new LagTrend(LAG_LIMITS);
  private sampling: Timer | undefined;
  private readonly group: string;
  private readonly closing = new AbortController();
  private started: Started | undefined;
  private consumer: Consumer | undefined;
  private resolver: DeadLetterResolver | undefined;

  constructor(private readonly deps: ReplicaConsumerDeps) {
    this.group = replicaGroup(deps.project, deps.name);
  }

  /** Milliseconds since a broker last responded; undefined before the start. */
  fetchAgeMs(): number | undefined {
    return this.consumer?.fetchAgeMs();
  }

  /** Milliseconds that this process is behind the log; undefined before a broker responded. */
  lagMs(): number | undefined {
    return this.lag.ms(Date.now(), this.fetchAgeMs());
  }

  /** Why a table accepts no row, for people; undefined while all do. */
  tableProblem(): string | undefined {
    return this.started?.consumers.values().find(({ tableProblem }) => tableProblem)?.tableProblem;
  }

  /** Which partitions make no progress, for people; undefined while all do, or the service is paused. */
  stalledProblem(): string | undefined {
    const stalled = this.deps.pause.paused ? undefined : this.progress.stalled(performance.now());
    if (!stalled) return undefined;
    const seconds = Math.round(stalled.longestMs / 1_000);
    const answer = this.deps.replica.entities.map(({ applier }) => applier.lastProblem).find(Boolean);
    return `no progress for ${seconds} s in ${stalled.partitions.join(", ")}${answer ? `: ${answer}` : ""}`;
  }

  /** How the lag grows, for people; undefined while it does not. A stalled partition is a problem of its own. */
  lagProblem(): string | undefined {
    const growth = this.stalledProblem() ? undefined : this.lagTrend.growth();
    if (!growth) return undefined;
    const [from, to] = [growth.from, growth.to].map((ms) => Math.round(ms / 1_000));
    return `${to} s behind, ${from} s ten seconds ago`;
  }

  /** How many dead letters of the replica are open, for people; undefined while there is none, or it is unknown. */
  deadLettersProblem(): string | undefined {
    const open = this.resolver?.openCount();
    return open ? `${open} open dead letter${open === 1 ? "" : "s"}` : undefined;
  }

  /** Says that the number of dead letters is unknown. */
  deadLettersNote(): string | undefined {
    return this.resolver?.openCount() === undefined ? "unknown: the dead-letter topic is being read" : undefined;
  }

  /** Why the replica is being rebuilt now, for people; undefined while it is not. */
  rebuildProblem(): string | undefined {
    return this.started?.catchUp.rebuildProblem();
  }

  /** Why the log cannot account for rows of the replica, for people; undefined while it can. */
  logProblem(): string | undefined {
    return this.started?.catchUp.logProblem();
  }

  /**
   * Creates missing topics, rebuilds the replica if the log cannot bring it up to date, and starts to consume.
   *
   * @returns `ended`, which rejects when the process cannot continue.
   * @throws the database's or the log's error.
   */
  async start(log: Log): Promise<{ readonly ended: Promise<void> }> {
    const { pause, name, settings, project } = this.deps;
    const replication = replicationOptionsOf(settings);
    const started = this.create(log);
    this.started = started;
    await ensureEntityTopics(log, settings, project);
    await log.ensureTopics([receiptsTopic(project)], { ...replication, partitions: 1 });
    const control = await pause.watch(log, replicaKey(name), replication);
    await started.catchUp.begin();
    const consumer = await this.consume(log, started);
    this.consumer = consumer;
    this.resolver = this.resolveDeadLetters(log, started, consumer);
    pause.attach(consumer);
    this.sampling = setInterval(() => this.sampleLag(), SAMPLE_MS);
    const ended = Promise.race([consumer.ended, control.ended, started.catchUp.failed]);
    ended.catch(() => {}); // It may reject before the caller observes it.
    return { ended };
  }

  /** Ends a rebuild in progress, saves positions, and writes the queued receipts. */
  async close(): Promise<void> {
    this.closing.abort();
    clearInterval(this.sampling);
    await this.started?.catchUp.close();
    await this.consumer?.close();
    await this.resolver?.close();
    await this.started?.deadLetters.close();
    await this.started?.receipts.close();
  }

  /** Without the silence of the brokers, which is a condition of its own. */
  private sampleLag(): void {
    this.lagTrend.sample(performance.now(), this.deps.pause.paused ? undefined : this.lag.ms(Date.now(), 0));
  }

  private create(log: Log): Started {
    const { name, databaseUrl, replica, settings, logger, metrics, project } = this.deps;
    const { group, lag, closing } = this;
    // Unique among the running processes of the replica.
    const instance = settings.LOCKSTEP_INSTANCE ?? crypto.randomUUID();
    const process = qualify(project, `lockstep.replica.${name}.${instance}`);
    const receipts = new Receipts({ log, logger, metrics, project }, `${process}.receipts`);
    const deadLetters = new DeadLetterWriter(log, project.allEntities, `${process}.dead-letters`);
    const lags = new ConsumerLags(metrics.consumerLag, group);
    const shared = { deadLetters, receipts, lag, lags, logger, metrics, signal: closing.signal };
    const all = replica.entities.map((one) => new EntityConsumer({ ...one, ...shared }, one.entity, one.replica));
    const consumers = new Map(all.map((one) => [one.topic, one]));
    const catchUp = new CatchUp({
      positions: new Positions({
        database: replica.database,
        log,
        group,
        topics: all.map(({ topic }) => topic),
        internalTopics: all.filter((one) => !isPublic(one)).map(({ topic }) => topic),
      }),
      log,
      process: async (batch: Batch) => {
        await consumers.get(batch.topic)?.process(batch);
        this.progress.advanced(batch, performance.now());
      },
      onCaughtUp: (at) => this.progress.caughtUp(at, performance.now()),
      rebuild: async () => {
        const options = { project, databaseUrl, log, signal: closing.signal, onProgress: () => {}, keepOldest: true };
        await rebuild(name, options);
      },
      lagMs: () => this.lagMs(),
      logger,
      metrics,
    });
    return { receipts, deadLetters, lags, consumers, catchUp };
  }

  private consume(log: Log, { consumers, catchUp, lags }: Started): Promise<Consumer> {
    const { pause, settings, logger, metrics } = this.deps;
    const { group, lag, progress } = this;
    return log.consume({
      group,
      topics: [...consumers.keys()],
      onBatch: async (batch) => {
        progress.delivered(batch, performance.now());
        await catchUp.process(batch);
        progress.completed(batch);
      },
      onAssigned: (partitions) => {
        for (const at of partitions) progress.assigned(at, performance.now());
        catchUp.assigned(partitions);
      },
      onRevoked: (partitions) => {
        lag.revoked(partitions);
        progress.revoked(partitions);
        for (const at of partitions) {
          lags.remove(at);
          consumers.get(at.topic)?.revoked();
        }
        catchUp.revoked(partitions);
      },
      onGap: (at, from, to) => {
        metrics.inputGaps.inc({ group });
        logger.error({ ...at, from, to }, "the log deleted records before this replica read them");
        catchUp.onGap(at);
      },
      maxBytesPerPartition: FETCH_BYTES,
      lingerMs: LINGER_MS,
      paused: pause.paused,
      sessionTimeoutMs: settings.LOCKSTEP_SESSION_TIMEOUT_MS,
      ...(settings.LOCKSTEP_INSTANCE ? { groupInstanceId: settings.LOCKSTEP_INSTANCE } : {}),
    });
  }

  private resolveDeadLetters(log: Log, { deadLetters }: Started, consumer: Consumer): DeadLetterResolver {
    const { logger, name, replica } = this.deps;
    const isAssigned = (topicPartition: string) =>
      consumer.assigned().some((at) => partitionKey(at) === topicPartition);
    return resolveSupersededDeadLetters(
      { log, logger, deadLetters },
      name,
      replica.entities.filter(isPublic).map(({ entity, rows }) => ({
        entity,
        behind: (versions) => rows.behind(versions),
        isOwned: (partition) => isAssigned(partitionKey({ topic: replicaTopic(entity, name).name, partition })),
      })),
    );
  }
}
