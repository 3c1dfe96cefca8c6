/** `lockstep_consumer_lag` of one group, told by who processes its records. */

import { partitionKey, type TopicPartition } from "../kafka/log.ts";
import type { Metrics } from "../observability/metrics.ts";

/**
 * A group may follow the topics of many entities, and the metric knows partitions only: it tells the sum of all topics' partitions of
 * one number, as the console does.
 */
export class ConsumerLags {
  private readonly lags = new Map<number, Map<string, number>>();

  constructor(
    private readonly gauge: Metrics["consumerLag"],
    private readonly group: string,
  ) {}

  /** @param records that the group has not processed. */
  set(at: TopicPartition, records: number): void {
    const ofNumber = this.lags.get(at.partition) ?? new Map<string, number>();
    this.lags.set(at.partition, ofNumber.set(partitionKey(at), records));
    this.tell(at.partition, ofNumber);
  }

  /** It is somebody else's now, who tells how far it is. */
  forget(at: TopicPartition): void {
    const ofNumber = this.lags.get(at.partition);
    ofNumber?.delete(partitionKey(at));
    if (ofNumber && ofNumber.size > 0) this.tell(at.partition, ofNumber);
    else this.gauge.remove({ group: this.group, partition: String(at.partition) });
  }

  private tell(partition: number, ofNumber: ReadonlyMap<string, number>): void {
    const records = [...ofNumber.values()].reduce((sum, one) => sum + one, 0);
    this.gauge.set({ group: this.group, partition: String(partition) }, records);
  }
}
