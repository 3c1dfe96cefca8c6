/** The records of one publish call, grouped by topic and partition, with their trace spans. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { eventsTopic } from "../contracts/topics.ts";
import type { OutgoingRecord, TopicPartition } from "../kafka/log.ts";
import { partitionForKey } from "../kafka/partitioner.ts";
import { BatchSpans } from "../observability/batch-spans.ts";
import { SpanKind } from "../observability/trace.ts";
import { toEventRecord, UnsendableRowError } from "./event-record.ts";
import type { OutboxRow, RejectedRow } from "./outbox.ts";
import type { RejectedRecord } from "./write-accepted.ts";

/** The records for one partition, in the order of their rows. */
interface PartitionRecords {
  readonly at: TopicPartition;
  readonly records: OutgoingRecord[];
  /** The row of each record. */
  readonly rows: OutboxRow[];
}

interface EntityRecords {
  readonly entity: EntityDeclaration;
  /** By partition number. */
  readonly partitions: readonly PartitionRecords[];
  readonly spans: BatchSpans;
}

/** One batch. The relay makes a new one for each publish call. */
export class PublishBatch {
  private readonly byEntity: ReadonlyMap<string, EntityRecords>;
  /** Contexts of the traces that this batch started, by transaction: the next batch continues them. */
  readonly startedTraces = new Map<string, string>();
  private readonly rejectedRows: RejectedRow[] = [];

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
        const ofEntity = Array.from({ length: partitions.get(topic)! }, (_, partition) => ({
          at: { topic, partition },
          records: [],
          rows: [],
        }));
        return [entity.name, { entity, partitions: ofEntity, spans: publishSpans(topic) }];
      }),
    );
  }

  /** Rows of which no event can be built, and those that {@link reject} got. */
  get rejected(): readonly RejectedRow[] {
    return this.rejectedRows;
  }

  /** Adds a row, or rejects it when no event can be built of it. */
  add(row: OutboxRow): void {
    try {
      this.addRecord(row);
    } catch (error) {
      this.rejectedRows.push({ row, ...causeOf(error) });
    }
  }

  /** Returns the records of every partition that has any. */
  partitions(): PartitionRecords[] {
    return [...this.byEntity.values()].flatMap(({ partitions }) => partitions.filter(({ rows }) => rows.length > 0));
  }

  /** Rejects the rows of records that the broker rejected. */
  reject({ rows }: PartitionRecords, records: readonly RejectedRecord[]): void {
    for (const { index, error } of records)
      this.rejectedRows.push({
        row: rows[index]!,
        reason: error.kind === "too large" ? "record-too-large" : "record-rejected",
        detail: error.message,
      });
  }

  /** Ends all spans. With an error, they end as failed. */
  endSpans(error?: unknown): void {
    for (const { spans } of this.byEntity.values()) spans.end(error);
  }

  private addRecord(row: OutboxRow): void {
    const found = this.byEntity.get(row.entity);
    if (!found)
      throw new UnsendableRowError("undeclared-entity", `no declaration of this relay has the name ${row.entity}`);
    const { entity, partitions, spans } = found;
    const partition = partitionForKey(row.id, partitions.length);
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
    const { records, rows } = partitions[partition]!;
    records.push(toEventRecord(entity, row, traceparent));
    rows.push(row);
  }
}

/** Every error belongs to its row: building an event uses nothing but the row and the declaration. */
function causeOf(error: unknown): Pick<RejectedRow, "reason" | "detail"> {
  if (error instanceof UnsendableRowError) return { reason: error.reason, detail: error.message };
  // The message may quote a value of the row.
  const name = error instanceof Error ? error.name : typeof error;
  return { reason: "unencodable", detail: `building the event failed with ${name}` };
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
