/** The records of one publish call, grouped by topic and partition, with their trace spans. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { eventsTopic } from "../contracts/topics.ts";
import type { OutgoingRecord, TopicPartition } from "../kafka/log.ts";
import { partitionForKey } from "../kafka/partitioner.ts";
import { BatchSpans } from "../observability/batch-spans.ts";
import { SpanKind } from "../observability/trace.ts";
import { toEventRecord } from "./event-record.ts";
import type { OutboxRow } from "./outbox.ts";

interface EntityRecords {
  readonly entity: EntityDeclaration;
  readonly topic: string;
  /** Records by partition. */
  readonly records: readonly OutgoingRecord[][];
  readonly spans: BatchSpans;
}

/** The records for one partition, in the order of their rows. */
interface PartitionRecords {
  readonly at: TopicPartition;
  readonly records: readonly OutgoingRecord[];
}

/** One batch. The relay makes a new one for each publish call. */
export class PublishBatch {
  private readonly byEntity: ReadonlyMap<string, EntityRecords>;
  /** Contexts of the traces that this batch started, by transaction: the next batch continues them. */
  readonly startedTraces = new Map<string, string>();

  /**
   * @param partitions number of partitions of each events topic.
   * @param earlierTraces `startedTraces` of the batch before.
   */
  constructor(
    entities: readonly EntityDeclaration[],
    partitions: ReadonlyMap<string, number>,
    private readonly earlierTraces: ReadonlyMap<string, string>,
  ) {
    this.byEntity = new Map(
      entities.map((entity) => {
        const topic = eventsTopic(entity).name;
        const records = Array.from({ length: partitions.get(topic)! }, () => []);
        return [entity.name, { entity, topic, records, spans: publishSpans(topic) }];
      }),
    );
  }

  /** @throws {Error} when no declaration names the row's entity, or the row lacks a declared column. */
  add(row: OutboxRow): void {
    const found = this.byEntity.get(row.entity);
    if (!found)
      throw new Error(
        `the outbox holds a change of entity "${row.entity}", which is not declared: declare it, or delete its rows`,
      );
    const { entity, records, spans } = found;
    const partition = partitionForKey(row.id, records.length);
    const { traceparent } = spans.spanFor({
      // All rows of a transaction without a trace share one trace, also across batches.
      parent: row.traceparent ?? this.earlierTraces.get(row.transaction),
      groupKey: row.transaction,
      attributes: {
        "messaging.destination.partition.id": String(partition),
        "messaging.kafka.message.key": row.id,
        "lockstep.entity.version": row.version,
      },
    });
    if (row.traceparent === null && traceparent) this.startedTraces.set(row.transaction, traceparent);
    records[partition]!.push(toEventRecord(entity, row, traceparent));
  }

  /** Returns the records of every partition that has any. */
  partitions(): PartitionRecords[] {
    return [...this.byEntity.values()].flatMap(({ topic, records }) =>
      records.flatMap((ofPartition, partition) =>
        ofPartition.length > 0 ? [{ at: { topic, partition }, records: ofPartition }] : [],
      ),
    );
  }

  /** Ends all spans. With an error, they end as failed. */
  endSpans(error?: unknown): void {
    for (const { spans } of this.byEntity.values()) spans.end(error);
  }
}

const publishSpans = (topic: string): BatchSpans =>
  new BatchSpans(`publish ${topic}`, {
    kind: SpanKind.PRODUCER,
    attributes: {
      "messaging.system": "kafka",
      "messaging.operation.name": "publish",
      "messaging.operation.type": "send",
      "messaging.destination.name": topic,
    },
  });
