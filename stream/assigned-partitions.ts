/** All input partitions that the consumer group has assigned to this instance. */
import type { Project } from "../contracts/project.ts";
import { eventsTopic, streamGroup } from "../contracts/topics.ts";
import { type Batch, type Consumer, type Log, partitionKey, type TopicPartition } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { Outage } from "../observability/outage.ts";
import { ConsumerLags } from "../pipeline/consumer-lags.ts";
import { ConcurrencyLimit } from "../platform/async/limit.ts";
import { retry } from "../platform/async/retry.ts";
import type { OwnedPartition } from "./owned-partition.ts";
import { PartitionMetrics } from "./partition-metrics.ts";
import { PartitionOwner } from "./partition-owner.ts";
import { Topology } from "./topology.ts";
import type { VersionStore } from "./version-store.ts";

interface AssignedPartitionsDeps {
  readonly log: Log;
  readonly versions: VersionStore;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

interface Partition {
  readonly owner: PartitionOwner;
  readonly topology: Topology;
  /** Batches and takeovers run one after the other. */
  readonly turn: ConcurrencyLimit;
}

/**
 * Time between two flushes to the versions topic. After a move to another machine, at most this much input is decided
 * again.
 */
const FLUSH_MS = 1_000;
/** Delays before a takeover is retried. */
const TAKEOVER_RETRY = { firstDelayMs: 200, maxDelayMs: 4_000 };

/** Creates a partition's steps when the partition is assigned, and removes them when it is revoked. */
export class AssignedPartitions {
  private readonly partitions = new Map<string, Promise<Partition>>();
  /** Those of {@link partitions} that are created. */
  private readonly created = new Map<string, Partition>();
  private readonly lags: ConsumerLags;
  /** Keys of partitions that must be taken over again before they process more. */
  private readonly interrupted = new Set<string>();
  private consumer: Pick<Consumer, "seek"> | undefined;
  private flushTimer: Timer | undefined;

  constructor(
    private readonly deps: AssignedPartitionsDeps,
    private readonly project: Pick<Project, "namespace" | "allEntities">,
  ) {
    this.lags = new ConsumerLags(deps.metrics.consumerLag, streamGroup(project));
  }

  /** Moves this consumer to the first record of an input that was replaced. */
  attach(consumer: Pick<Consumer, "seek">): void {
    this.consumer = consumer;
  }

  /** @throws {Error} as {@link Topology.process}: the batch must be delivered again. */
  async process(batch: Batch): Promise<void> {
    const { owner, topology, turn } = this.created.get(partitionKey(batch)) ?? (await this.partition(batch));
    await turn.run(async () => {
      await this.renewIfInterrupted(batch, owner);
      await topology.process(batch);
    });
  }

  /**
   * Takes a partition over again, because its topics may have been replaced: before the next batch, or now if there is
   * none. Retries until that succeeds.
   */
  async onInterrupted({ topic, partition }: TopicPartition): Promise<void> {
    const at = { topic, partition };
    const key = partitionKey(at);
    const found = this.partitions.get(key);
    if (!found || this.interrupted.has(key)) return;
    this.interrupted.add(key);
    this.deps.logger.info(at, "the log was interrupted; taking the partition over again");
    await this.retryTakeover(at, found, ({ owner }) => this.renewIfInterrupted(at, owner));
  }

  private async renewIfInterrupted(at: TopicPartition, owner: PartitionOwner): Promise<void> {
    const key = partitionKey(at);
    if (!this.interrupted.has(key)) return;
    await owner.renew();
    this.interrupted.delete(key);
  }

  /**
   * Takes the partitions over at once, so that their first event does not wait for the takeover. Processes what the
   * last owner had not remembered: no event may follow that would do it.
   */
  onAssigned(assigned: readonly TopicPartition[]): void {
    for (const { topic, partition } of assigned) {
      const at = { topic, partition };
      void this.retryTakeover(at, this.partition(at), ({ topology }) => topology.catchUp());
    }
  }

  /**
   * Calls `attempt` in the partition's turn until it succeeds or the partition is revoked. Never rejects. When the
   * partition could not be created, its next event or assignment creates it.
   */
  private async retryTakeover(
    at: TopicPartition,
    found: Promise<Partition>,
    attempt: (partition: Partition) => Promise<void>,
  ): Promise<void> {
    const { logger } = this.deps;
    const key = partitionKey(at);
    const isAssigned = () => this.partitions.get(key) === found;
    const outage = new Outage(logger, "takeover failed; retrying", "takeover succeeded");
    const options = {
      ...TAKEOVER_RETRY,
      what: `taking ${key} over`,
      timeoutMs: Number.POSITIVE_INFINITY,
      shouldRetry: isAssigned,
      onRetry: (error: unknown) => outage.failed(error, { ...at }),
    };
    try {
      const partition = await found;
      await retry(options, () =>
        partition.turn.run(async () => {
          // Another instance may own the partition since the delay or the wait: this attempt would fence it.
          if (isAssigned()) await attempt(partition);
        }),
      );
      if (isAssigned()) outage.ended({ ...at });
    } catch (error) {
      logger.debug({ err: error, ...at }, "takeover ended: the partition was revoked or could not be created");
    }
  }

  /** Releases partitions that another instance has now. */
  onRevoked(revoked: readonly TopicPartition[]): void {
    for (const at of revoked) {
      const key = partitionKey(at);
      const partition = this.partitions.get(key);
      this.partitions.delete(key);
      this.created.delete(key);
      this.interrupted.delete(key);
      // A partition whose creation failed has nothing to release.
      void partition?.then(({ owner }) => owner.release()).catch(() => {});
      this.lags.remove(at);
    }
  }

  /** Returns what this instance owns, by key. A partition whose takeover is in progress is missing. */
  async owned(): Promise<ReadonlyMap<string, OwnedPartition>> {
    const found = new Map<string, OwnedPartition>();
    for (const { key, owner } of await this.allCreated()) if (owner.current) found.set(key, owner.current);
    return found;
  }

  /** Flushes all partitions within {@link FLUSH_MS}: one timer for all, so that they share a request. */
  readonly scheduleFlush = (): void => {
    this.flushTimer ??= setTimeout(() => {
      this.flushTimer = undefined;
      for (const { owner } of this.created.values()) void owner.flush();
    }, FLUSH_MS);
  };

  /** Writes all changes to the versions topic now. */
  async flush(): Promise<void> {
    clearTimeout(this.flushTimer);
    this.flushTimer = undefined;
    await Promise.all((await this.allCreated()).map(({ owner }) => owner.flush()));
  }

  /** Flushes, saves and releases all partitions, so that their next owners process little input again. */
  async close(): Promise<void> {
    await this.flush();
    const all = await this.allCreated();
    this.partitions.clear();
    this.created.clear();
    for (const { owner } of all) await owner.release();
    clearTimeout(this.flushTimer);
    this.saveVersions();
  }

  private saveVersions(): void {
    const { versions, logger } = this.deps;
    try {
      versions.save();
    } catch (error) {
      logger.warn({ err: error }, "the versions were not saved; the next start decides the last input again");
    }
  }

  /** The partitions without those whose creation failed: the next batch creates them again. */
  private async allCreated(): Promise<readonly (Partition & { readonly key: string })[]> {
    const all = [...this.partitions].map(([key, partition]) => partition.then((one) => ({ ...one, key })));
    return (await Promise.allSettled(all)).flatMap((one) => (one.status === "fulfilled" ? one.value : []));
  }

  private partition({ topic, partition }: TopicPartition): Promise<Partition> {
    const at = { topic, partition };
    const key = partitionKey(at);
    const found = this.partitions.get(key);
    if (found) return found;
    const created = this.createPartition(at);
    this.partitions.set(key, created);
    // The partition may have been revoked and assigned again meanwhile.
    created.then(
      (partition) => {
        if (this.partitions.get(key) === created) this.created.set(key, partition);
      },
      () => {
        if (this.partitions.get(key) === created) this.partitions.delete(key);
      },
    );
    return created;
  }

  private async createPartition(at: TopicPartition): Promise<Partition> {
    const entity = this.project.allEntities.find((declared) => eventsTopic(declared).name === at.topic);
    if (!entity) throw new Error(`topic ${at.topic} belongs to no declared entity`);
    const { log, versions, logger } = this.deps;
    const metrics = new PartitionMetrics({ ...this.deps, lags: this.lags }, entity, at);
    const onReplaced = (next: number) => this.consumer?.seek(at, next);
    const { scheduleFlush } = this;
    const owner = new PartitionOwner({ log, versions, logger, metrics, onReplaced, scheduleFlush }, entity, at);
    const partitions = await log.partitionCount(at.topic);
    const topology = new Topology({ log, versions, owner, metrics, scheduleFlush }, entity, at, partitions);
    return { owner, topology, turn: new ConcurrencyLimit(1) };
  }
}
