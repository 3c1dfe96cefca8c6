/** The second hop of a journey: the last event of an entity, and its dead letters. */
import { decodeDeadLetterOrMark } from "../../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { header } from "../../contracts/event.ts";
import { deadLetterTopic } from "../../contracts/topics.ts";
import type { Log, StoredRecord } from "../../kafka/log.ts";
import { partitionForKey } from "../../kafka/partitioner.ts";

/** Records that one step reads. */
const STEP_RECORDS = 5_000;
/** Most records of a partition that are searched, from its end. */
const MAX_RECORDS = 500_000;

/** A dead letter of the entity. */
export interface JourneyDeadLetter {
  readonly reason: string;
  /** Topic and offset of the record that could not be processed. */
  readonly topic: string;
  readonly offset: string;
  readonly version: string | null;
}

/**
 * The last record of a key, searched from the end of its partition.
 *
 * @returns null when the last 500,000 records have none. @throws {Error} when the log is unavailable.
 */
export async function readLastRecord(log: Log, topic: string, id: EntityId): Promise<StoredRecord | null> {
  const offsets = await log.offsets(topic);
  const partition = partitionForKey(id, offsets.size);
  const { first, next } = offsets.get(partition)!;
  for (let to = next; to > first && next - to < MAX_RECORDS; to -= STEP_RECORDS) {
    let last: StoredRecord | null = null;
    for await (const records of log.read({ topic, partition }, Math.max(first, to - STEP_RECORDS), to))
      for (const record of records) if (record.key?.toString() === id) last = record;
    if (last) return last;
  }
  return null;
}

/**
 * The entity's dead letters among the last 500,000 records of each partition.
 *
 * @throws {Error} when the log is unavailable.
 */
export async function readJourneyDeadLetters(
  log: Log,
  entity: EntityDeclaration,
  id: EntityId,
): Promise<JourneyDeadLetter[]> {
  const { name: topic } = deadLetterTopic(entity);
  const deadLetters: JourneyDeadLetter[] = [];
  for (const [partition, { first, next }] of await log.offsets(topic))
    for await (const records of log.read({ topic, partition }, Math.max(first, next - MAX_RECORDS), next))
      for (const record of records) {
        const decoded = record.key?.toString() === id ? decodeDeadLetterOrMark(record) : undefined;
        if (!decoded || "mark" in decoded) continue;
        const { reason, origin } = decoded.deadLetter;
        const version = record.headers[header.version] ?? null;
        deadLetters.push({ reason, topic: origin.topic, offset: String(origin.offset), version });
      }
  return deadLetters;
}
