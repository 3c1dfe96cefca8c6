/** Step *decode*: records to events. A record that is not an event must not block the events beside it. */
import type { EntityDeclaration, ReplicaDeclaration } from "../contracts/entity/declaration.ts";
import { readKey } from "../contracts/entity/key.ts";
import { decodeRouted, NewerSchemaVersionError, type RoutedEvent } from "../contracts/routed-event.ts";
import type { StoredRecord } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";
import { type RejectedRecord, unreadableCause } from "./dead-letters.ts";

/** A decoded event with its record. Times are milliseconds since 1970. */
export interface ReceivedEvent extends RoutedEvent {
  readonly record: StoredRecord;
  readonly receivedMs: number;
  /** When the source committed the change. */
  readonly committedMs: number;
}

/**
 * Decodes records. The stream is the topic's only writer, so an unreadable record says nothing about any entity.
 *
 * @returns the events and the unreadable records, both in the order of the records.
 * @throws {NewerSchemaVersionError} when a newer stream wrote a record: the replica has to be upgraded, and waits until
 * then.
 */
export function decodeRecords(
  records: readonly StoredRecord[],
  context: { readonly entity: EntityDeclaration; readonly replica: ReplicaDeclaration },
  logger: Logger,
): { events: ReceivedEvent[]; rejected: RejectedRecord[] } {
  const events: ReceivedEvent[] = [];
  const rejected: RejectedRecord[] = [];
  const receivedMs = Date.now();
  for (const record of records)
    try {
      const event = decodeRouted(record, context);
      if (readKey(context.entity, event.id) !== event.id)
        throw new Error(`the key ${JSON.stringify(event.id)} is not an id of ${context.entity.name}`);
      events.push(Object.assign(event, { record, receivedMs, committedMs: Date.parse(event.time) }));
    } catch (error) {
      if (error instanceof NewerSchemaVersionError) throw error;
      const { topic, partition, offset } = record;
      logger.error(
        { err: error, topic, partition, offset },
        "a record is not a readable event; it becomes a dead letter",
      );
      rejected.push({ record, cause: unreadableCause(error, context.replica.name) });
    }
  return { events, rejected };
}
