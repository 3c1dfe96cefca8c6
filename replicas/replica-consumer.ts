/** The way from the log into one replica: its topics are followed, from where its database is, into the appliers; what is refused becomes a dead letter. */
import { replicaKey } from "../contracts/control.ts";
import { allEntities } from "../contracts/entities/index.ts";
import { receiptsTopic, replicaGroup, replicaTopic } from "../contracts/topics.ts";
import { type Batch, type Consumer, type Log, partitionKey } from "../kafka/log.ts";
import { ConsumerLags } from "../pipeline/consumer-lags.ts";
import { ensureEntityTopics } from "../pipeline/ensure-topics.ts";
import type { PauseControl } from "../pipeline/pause.ts";
import type { ServiceDeps } from "../platform/run.ts";
import { replicationOptionsOf } from "../platform/settings/settings.ts";
import { CatchUp } from "./catch-up/catch-up.ts";
import { Positions } from "./catch-up/positions.ts";
import { dropOld, rebuild } from "./catch-up/rebuild/index.ts";
import { EntityConsumer, type EntityConsumerDeps } from "./consume.ts";
import { DeadLetterWriter } from "./dead-letters.ts";
import type { Lag } from "./lag.ts";
import { Receipts } from "./receipts.ts";
import { isReplicated, type Replica } from "./replica.ts";
import { resolveSupersededDeadLetters } from "./resolve-superseded.ts";

/**
 * What is fetched at a time bounds the memory, and should be 4,000 events of four partitions: in larger batches more changes are of the
 * same entities. With 128 KiB the databases and Redis took a quarter more CPU in a bulk.
 */
const FETCH_BYTES = 786_432;
/** In a flood of changes so much later, and in batches so much larger: a sixth less to apply where entities change twice. */
const LINGER_MS = 200;

export interface FlowParts extends ServiceDeps {
  readonly name: string;
  readonly databaseUrl: string;
  readonly replica: Replica;
  readonly log: Log;
  readonly lag: Lag;
  readonly pause: PauseControl;
}

/** Made before {@link start}, so that whoever asks how it is gets an answer while the start takes its time. */
export class Flow {
  private readonly receipts: Receipts;
  private readonly lags: ConsumerLags;
  private readonly letters: DeadLetterWriter;
  private readonly followers: ReadonlyMap<string, EntityConsumer>;
  private readonly catchUp: CatchUp;
  private readonly ending = new AbortController();
  private readonly group: string;
  private healing: { close(): Promise<void> } | undefined;
  /** Undefined before the start. */
  follower: Consumer | undefined;

  constructor(private readonly deps: FlowParts) {
    const { name, databaseUrl, replica, log, lag, settings, logger, metrics } = deps;
    this.group = replicaGroup(name);
    // A name that no other process of the replica has at the same time.
    const process = `lockstep.replica.${name}.${settings.LOCKSTEP_INSTANCE ?? crypto.randomUUID()}`;
    this.receipts = new Receipts({ log, logger, metrics }, `${process}.receipts`);
    this.letters = new DeadLetterWriter(log, allEntities, `${process}.dead-letters`);
    this.lags = new ConsumerLags(metrics.consumerLag, this.group);
    const { receipts, lags, letters } = this;
    const followers = replica.entities.map((kept) => {
      const told = isReplicated(kept) ? { receipts, lags } : noMetrics;
      return new EntityConsumer(
        { applier: kept.applier, lag, ...told, letters, logger, metrics },
        kept.entity,
        kept.replica,
      );
    });
    this.followers = new Map(followers.map((follower) => [follower.topic, follower]));
    this.catchUp = new CatchUp({
      positions: new Positions({ database: replica.database, log, group: this.group, topics: this.topics }),
      log,
      process: async (batch: Batch) => this.followers.get(batch.topic)?.process(batch),
      rebuild: async () => {
        await dropOld(databaseUrl);
        await rebuild(name, { databaseUrl, log, signal: this.ending.signal, onProgress: () => {} });
      },
      lagMs: () => lag.ms(Date.now()),
      logger,
      metrics,
    });
  }

  /** Why a table takes nothing; undefined while all do. */
  readonly tableProblem = (): string | undefined =>
    [...this.followers.values()].find(({ tableProblem }) => tableProblem)?.tableProblem;

  /** Why the database is not to be trusted yet; undefined when it is. */
  readonly positionsProblem = (): string | undefined => this.catchUp.check.problem();

  /**
   * Makes the topics that are missing, rebuilds the replica when the log cannot bring it up to date, and begins to follow.
   *
   * @returns a promise that rejects when it cannot go on.
   * @throws what the database or the log says.
   */
  async start(): Promise<{ readonly ended: Promise<void> }> {
    const { log, pause, name, settings } = this.deps;
    const copies = replicationOptionsOf(settings);
    await ensureEntityTopics(log, settings);
    await log.ensureTopics([receiptsTopic], { ...copies, partitions: 1 });
    const control = await pause.watch(log, replicaKey(name), copies);
    await this.catchUp.begin();
    const follower = await this.follow();
    this.follower = follower;
    this.healing = this.heal(follower);
    pause.attach(follower);
    const ended = Promise.race([follower.ended, control.ended, this.catchUp.failed]);
    ended.catch(() => {}); // it may be over before anybody looks
    return { ended };
  }

  async close(): Promise<void> {
    this.ending.abort();
    await this.catchUp.close();
    await this.follower?.close();
    await this.healing?.close();
    await this.letters.close();
    await this.receipts.close();
  }

  private get topics(): string[] {
    return [...this.followers.keys()];
  }

  private follow(): Promise<Consumer> {
    const { log, lag, pause, settings, logger, metrics } = this.deps;
    const { group, catchUp } = this;
    return log.consume({
      group,
      topics: this.topics,
      onBatch: (batch) => catchUp.take(batch),
      onAssigned: (partitions) => catchUp.assigned(partitions),
      onRevoked: (partitions) => {
        lag.revoked(partitions);
        for (const at of partitions) this.lags.remove(at);
        catchUp.revoked(partitions);
      },
      onGap: (at, from, to) => {
        metrics.inputGaps.inc({ group });
        logger.error({ ...at, from, to }, "the log no longer holds these changes");
        catchUp.gap(at);
      },
      maxBytesPerPartition: FETCH_BYTES,
      lingerMs: LINGER_MS,
      paused: pause.paused,
      sessionTimeoutMs: settings.LOCKSTEP_SESSION_TIMEOUT_MS,
      ...(settings.LOCKSTEP_INSTANCE ? { groupInstanceId: settings.LOCKSTEP_INSTANCE } : {}),
    });
  }

  private heal(follower: Consumer): { close(): Promise<void> } {
    const { log, logger, name, replica } = this.deps;
    const owned = (at: string) => follower.assigned().some((assigned) => partitionKey(assigned) === at);
    return resolveSupersededDeadLetters(
      { log, logger, letters: this.letters },
      name,
      replica.entities.filter(isReplicated).map(({ entity, rows }) => ({
        entity,
        behind: (wanted) => rows.behind(wanted),
        has: (partition) => owned(partitionKey({ topic: replicaTopic(entity, name).name, partition })),
      })),
    );
  }
}

/** Nobody waits for the canary, and nobody shall see it. */
const noMetrics: Pick<EntityConsumerDeps, "receipts" | "lags"> = { receipts: { add() {} }, lags: { set() {} } };
