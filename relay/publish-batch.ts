/** The records of one publish call, grouped by topic and partition, with their trace spans. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
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

/** Where the events of an entity go. */
export interface PublishTarget {
  readonly entity: EntityDeclaration;
  readonly topic: string;
  /** By partition number. */
  readonly partitions: readonly TopicPartition[];
}

/**
 * One batch. The relay makes a new one for each publish call. Most batches have few rows, so it holds entries only for
 * the partitions that it has rows of.
 */
export class PublishBatch {
  private readonly byPartition = new Map<TopicPartition, PartitionRecords>();
  private readonly spans = new Map<PublishTarget, BatchSpans>();
  /** Contexts of the traces that this batch started, by transaction: the next batch continues them. */
  readonly startedTraces = new Map<string, string>();
  private readonly rejectedRows: RejectedRow[] = [];

  /**
   * @param targets by the name of their entity.
   * @param earlierTraces `startedTraces` of the batch before.
   */
  constructor(
    private readonly targets: ReadonlyMap<string, PublishTarget>,
    private readonly earlierTraces: ReadonlyMap<string, string>,
  ) {}

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
    return [...this.byPartition.values()];
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
    for (const spans of this.spans.values()) spans.end(error);
  }

  private addRecord(row: OutboxRow): void {
    const target = this.targets.get(row.entity);
    if (!target)
      throw new UnsendableRowError("undeclared-entity", `no declaration of this relay has the name ${row.entity}`);
    const partition = partitionForKey(row.id, target.partitions.length);
    const { traceparent } = this.spansOf(target).spanFor({
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
    const record = toEventRecord(target.entity, row, traceparent);
    const { records, rows } = this.recordsOf(target.partitions[partition]!);
    records.push(record);
    rows.push(row);
  }

  private spansOf(target: PublishTarget): BatchSpans {
    const spans = this.spans.get(target) ?? publishSpans(target.topic);
    this.spans.set(target, spans);
    return spans;
  }

  private recordsOf(at: TopicPartition): PartitionRecords {
    const found = this.byPartition.get(at) ?? { at, records: [], rows: [] };
    this.byPartition.set(at, found);
    return found;
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
