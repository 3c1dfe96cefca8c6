/** Step 6 of the stream: metrics and log lines of one input partition. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { streamGroup } from "../contracts/topics.ts";
import type { Batch, TopicPartition } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { ConsumerLags } from "../pipeline/consumer-lags.ts";
import type { Decision, Outcome } from "./decide.ts";
import type { OwnedPartition } from "./owned-partition.ts";

interface PartitionMetricsDeps {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly lags: ConsumerLags;
}

/** Events and lag of an internal entity are not counted; its takeovers and gaps are. */
export class PartitionMetrics {
  constructor(
    private readonly deps: PartitionMetricsDeps,
    private readonly entity: EntityDeclaration,
    private readonly at: TopicPartition,
  ) {}

  /** Counts and logs a takeover, and the gap that it found. */
  countTakeover({ next, gap, replaced, found, lost }: OwnedPartition): void {
    const { logger, metrics } = this.deps;
    metrics.streamTakeovers.inc();
    logger.info({ ...this.at, next }, "partition taken over");
    if (gap || replaced) metrics.inputGaps.inc({ group: streamGroup(this.entity) });
    if (replaced)
      logger.error(
        { ...this.at, next },
        "the partition has other records than before: it was created again, or put back from an older backup. " +
          "Reading from its first record; run lockstep resync",
      );
    for (const [topic, { from, to }] of Object.entries(found))
      logger.error(
        { topic, partition: this.at.partition, from, to },
        topic in lost
          ? "a topic has lost records; run lockstep resync"
          : "a topic has lost records; the stream has written them again from its local file",
      );
  }

  /** Counts the outcomes that no earlier owner has counted, and logs the rejected records. */
  countDecisions(owned: OwnedPartition, decisions: readonly Decision[]): void {
    const counts = new Map<Outcome, number>();
    for (const decision of decisions) {
      const { offset, outcome } = decision;
      if (owned.isCounted(offset)) continue;
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      if (decision.outcome !== "invalid") continue;
      const { rejection, source } = decision;
      const { reason, detail } = rejection;
      this.deps.logger.warn(
        { ...this.at, offset, ...source, reason, detail },
        "event rejected and written to the dead-letter topic",
      );
    }
    if (this.entity.internal) return;
    for (const [outcome, count] of counts) this.deps.metrics.streamEvents.inc({ outcome }, count);
  }

  /** Sets the partition's lag after a batch. */
  reportLag({ highWatermark }: Batch, { next }: OwnedPartition): void {
    if (!this.entity.internal) this.deps.lags.set(this.at, Math.max(0, highWatermark - next));
  }
}
