/**
 * The stream's steps for one input partition: validate → dedupe → route → write outputs → remember → count.
 *
 * `partition-owner.ts` says which instance runs them. Steps 1 to 3 are pure and decide record by record (`decide.ts`).
 */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { replicaTopic, streamGroup } from "../contracts/topics.ts";
import type { Batch, Log, StoredRecord, TopicPartition } from "../kafka/log.ts";
import { type DecideContext, decideAll } from "./decide.ts";
import type { OwnedPartition } from "./owned-partition.ts";
import type { PartitionMetrics } from "./partition-metrics.ts";
import type { PartitionOwner } from "./partition-owner.ts";
import { type RouteSpanOptions, RouteSpans, routeSpanOptions } from "./route-spans.ts";
import { validatorOf } from "./validate.ts";
import type { VersionStore } from "./version-store.ts";
import { writeOutputs } from "./write-outputs.ts";

/** Records in one chunk. A larger one would delay the other partitions; a batch of the relay, about 250, fits in. */
const CHUNK_RECORDS = 400;

interface TopologyDeps {
  readonly log: Pick<Log, "read" | "committedOffsets">;
  readonly versions: VersionStore;
  readonly owner: PartitionOwner;
  readonly metrics: PartitionMetrics;
  readonly scheduleFlush: () => void;
}

/** Runs the steps for the batches of one input partition. */
export class Topology {
  private readonly rules: Omit<DecideContext, "traceparentOf">;
  private readonly spanOptions: RouteSpanOptions;

  /** @param partitions number of partitions of the input topic. */
  constructor(
    private readonly deps: TopologyDeps,
    entity: EntityDeclaration,
    private readonly at: TopicPartition,
    partitions: number,
  ) {
    const replicaTopics = new Map(entity.replicas.map(({ name }) => [name, replicaTopic(entity, name).name]));
    this.rules = { entity, replicaTopics, validate: validatorOf(entity, partitions) };
    this.spanOptions = routeSpanOptions(at, streamGroup(entity));
  }

  /**
   * Processes a batch of the partition, and any input before it that is not processed yet. Ignores a batch that is no
   * longer current.
   *
   * @throws {Error} when it is unknown whether an output was stored. The partition is then released, and the batch
   * must be delivered again.
   */
  async process(batch: Batch): Promise<void> {
    const first = batch.records[0];
    if (!first) return;
    await this.whileOwned(async (owned) => {
      // The takeover found another input: its records are delivered from the first one on.
      if (batch.isCurrent?.() === false) return;
      if (owned.next < first.offset) await this.processUntil(owned, first.offset);
      await this.processRecords(owned, batch.records);
      this.deps.metrics.reportLag(batch, owned);
    });
  }

  /**
   * Takes the partition over, and processes what comes before the group's committed offset and is not processed yet.
   * The last owner had stored the outputs and had not flushed the versions.
   *
   * @throws {Error} as {@link Topology.process}, or when the brokers are unavailable.
   */
  async catchUp(): Promise<void> {
    const { topic, partition } = this.at;
    await this.whileOwned(async (owned) => {
      // The group's offset is one of the input before. All records of the new one will be delivered.
      if (owned.replaced) return;
      const committed =
        (await this.deps.log.committedOffsets(streamGroup(this.rules.entity), topic)).get(partition) ?? 0;
      if (owned.next < committed) await this.processUntil(owned, committed);
    });
  }

  /** Takes the partition over for `work`. When that fails, it is unknown which outputs are stored. */
  private async whileOwned(work: (owned: OwnedPartition) => Promise<void>): Promise<void> {
    const { owner } = this.deps;
    try {
      await work(await owner.acquire());
    } catch (error) {
      await owner.release();
      throw error;
    }
  }

  /** The group's committed offset is a hint only: it may be ahead of the checkpoint. */
  private async processUntil(owned: OwnedPartition, offset: number): Promise<void> {
    for await (const records of this.deps.log.read(this.at, owned.next, offset))
      await this.processRecords(owned, records);
  }

  private async processRecords(owned: OwnedPartition, records: readonly StoredRecord[]): Promise<void> {
    const isRepeated = records[0]!.offset < owned.next;
    const unprocessed = isRepeated ? records.filter((record) => record.offset >= owned.next) : records;
    if (unprocessed.length <= CHUNK_RECORDS) {
      if (unprocessed.length > 0) await this.processChunk(owned, unprocessed);
      return;
    }
    for (let i = 0; i < unprocessed.length; i += CHUNK_RECORDS)
      await this.processChunk(owned, unprocessed.slice(i, i + CHUNK_RECORDS));
  }

  private async processChunk(owned: OwnedPartition, records: readonly StoredRecord[]): Promise<void> {
    const { versions, scheduleFlush, metrics } = this.deps;
    const spans = new RouteSpans(this.spanOptions);
    const context = { ...this.rules, traceparentOf: spans.traceparentOf };
    const storedVersions = versions.newest(owned.key, records.map(keyOf));

    // 1. validate  2. dedupe  3. route
    const { decisions, changes } = decideAll(context, storedVersions, records);
    // 4. write outputs
    await spans.endAfter(writeOutputs(owned, decisions));
    // 5. remember: only after the outputs are stored. Otherwise a repeated event would be a duplicate and be lost.
    versions.remember(owned.key, changes, owned.advanceAfter(records.at(-1)!));
    scheduleFlush();
    // 6. count
    metrics.countDecisions(owned, decisions);
  }
}

const keyOf = ({ key }: StoredRecord): string => key?.toString("latin1") ?? "";
