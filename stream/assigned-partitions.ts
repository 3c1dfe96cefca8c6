/** All input partitions that the consumer group has assigned to this instance. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { eventsTopic, streamGroup } from "../contracts/topics.ts";
import { type Batch, type Log, partitionKey, type TopicPartition } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { ConsumerLags } from "../pipeline/consumer-lags.ts";
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
}

/** Creates a partition's steps when the partition is assigned, and removes them when it is revoked. */
export class AssignedPartitions {
  private readonly partitions = new Map<string, Promise<Partition>>();
  private readonly lags: ConsumerLags;

  constructor(
    private readonly deps: AssignedPartitionsDeps,
    private readonly entities: readonly EntityDeclaration[],
  ) {
    this.lags = new ConsumerLags(deps.metrics.consumerLag, streamGroup);
  }

  /** @throws {Error} as {@link Topology.process}: the batch must be delivered again. */
  async process(batch: Batch): Promise<void> {
    const { topology } = await this.partition(batch);
    await topology.process(batch);
  }

  /** Takes the partitions over at once, so that their first event does not wait for the takeover. */
  onAssigned(assigned: readonly TopicPartition[]): void {
    for (const at of assigned)
      this.partition(at)
        .then(({ owner }) => owner.acquire())
        .catch((error) =>
          this.deps.logger.warn({ err: error, ...at }, "takeover failed; the next event of the partition repeats it"),
        );
  }

  /** Releases partitions that another instance has now. */
  onRevoked(revoked: readonly TopicPartition[]): void {
    for (const at of revoked) {
      const partition = this.partitions.get(partitionKey(at));
      this.partitions.delete(partitionKey(at));
      void partition?.then(({ owner }) => owner.release());
      this.lags.remove(at);
    }
  }

  /** Writes all changes to the versions topic now. */
  async flush(): Promise<void> {
    for (const partition of this.partitions.values()) await (await partition).owner.flush();
  }

  /** Flushes and releases all partitions, so that their next owners process little input again. */
  async close(): Promise<void> {
    await this.flush();
    const all = [...this.partitions.values()];
    this.partitions.clear();
    for (const partition of all) await (await partition).owner.release();
  }

  private partition({ topic, partition }: TopicPartition): Promise<Partition> {
    const at = { topic, partition };
    let found = this.partitions.get(partitionKey(at));
    if (!found) {
      found = this.createPartition(at);
      found.catch(() => this.partitions.delete(partitionKey(at)));
      this.partitions.set(partitionKey(at), found);
    }
    return found;
  }

  private async createPartition(at: TopicPartition): Promise<Partition> {
    const entity = this.entities.find((declared) => eventsTopic(declared).name === at.topic);
    if (!entity) throw new Error(`topic ${at.topic} belongs to no declared entity`);
    const { log, versions, logger } = this.deps;
    const metrics = new PartitionMetrics({ ...this.deps, lags: this.lags }, entity, at);
    const owner = new PartitionOwner({ log, versions, logger, metrics }, entity, at);
    const topology = new Topology({ log, versions, owner, metrics }, entity, at, await log.partitionCount(at.topic));
    return { owner, topology };
  }
}
