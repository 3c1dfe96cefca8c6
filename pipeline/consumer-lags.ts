/** The metric `lockstep_consumer_lag` of one consumer group, as the process that owns the partitions sets it. */
import { partitionKey, type TopicPartition } from "../kafka/log.ts";
import type { Metrics } from "../observability/metrics.ts";

/**
 * The metric has a label for the partition number and none for the topic. When a group reads the topics of several
 * entities, each value is the sum over all topics. The console computes it the same way.
 */
export class ConsumerLags {
  private readonly byPartition = new Map<number, Map<string, number>>();
  /** Values of the metric. The lag after a batch is nearly always 0, and setting a gauge takes several microseconds. */
  private readonly reported = new Map<number, number>();

  constructor(
    private readonly gauge: Metrics["consumerLag"],
    private readonly group: string,
  ) {}

  /** @param records number of records that the group has not processed. */
  set(at: TopicPartition, records: number): void {
    const byTopic = this.byPartition.get(at.partition) ?? new Map<string, number>();
    this.byPartition.set(at.partition, byTopic.set(partitionKey(at), records));
    this.report(at.partition, byTopic);
  }

  /** Removes a partition that another process has now: that process reports its lag. */
  remove(at: TopicPartition): void {
    const byTopic = this.byPartition.get(at.partition);
    byTopic?.delete(partitionKey(at));
    if (byTopic && byTopic.size > 0) this.report(at.partition, byTopic);
    else {
      this.reported.delete(at.partition);
      this.gauge.remove({ group: this.group, partition: String(at.partition) });
    }
  }

  private report(partition: number, byTopic: ReadonlyMap<string, number>): void {
    let records = 0;
    for (const lag of byTopic.values()) records += lag;
    if (this.reported.get(partition) === records) return;
    this.reported.set(partition, records);
    this.gauge.set({ group: this.group, partition: String(partition) }, records);
  }
}
