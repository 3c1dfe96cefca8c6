/** Appends the original records of dead letters to their events topic, where the stream reads them like new records. */
import { originalRecord } from "../../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { header } from "../../contracts/event.ts";
import { deadLetterTopic, eventsTopic } from "../../contracts/topics.ts";
import type { Log, LogWriter, OutgoingRecord, StoredRecord } from "../../kafka/log.ts";
import { partitionForKey } from "../../kafka/partitioner.ts";
import type { DeadLetterEntry } from "./dead-letter-index.ts";

/** Dead letters at most this many offsets apart are read with one request. */
const MAX_READ_GAP = 200;

/**
 * Appends each record to the partition of its key, with the header that names the dead letter. Records that have
 * expired in the meantime are skipped.
 *
 * @throws {Error} when the log is unavailable.
 */
export async function appendRecords(
  log: Log,
  writer: LogWriter,
  entity: EntityDeclaration,
  entries: readonly DeadLetterEntry[],
): Promise<void> {
  const { name: topic } = eventsTopic(entity);
  const partitions = await log.partitionCount(topic);
  const stored = await readRecords(log, entity, entries);
  const byPartition = new Map<number, OutgoingRecord[]>();
  for (const entry of entries) {
    const record = stored.get(`${entry.partition}/${entry.offset}`);
    if (!record) continue;
    const { key, value, headers } = originalRecord(record);
    const partition = key ? partitionForKey(key, partitions) : entry.deadLetter.origin.partition;
    const records = byPartition.get(partition) ?? [];
    records.push({ key, value, headers: { ...headers, [header.replayOf]: entry.name } });
    byPartition.set(partition, records);
  }
  await Promise.all([...byPartition].map(([partition, records]) => writer.write({ topic, partition }, records)));
}

/** The records of the dead letters, by `<partition>/<offset>` in the dead-letter topic. */
async function readRecords(
  log: Log,
  entity: EntityDeclaration,
  entries: readonly DeadLetterEntry[],
): Promise<Map<string, StoredRecord>> {
  const { name: topic } = deadLetterTopic(entity);
  const stored = new Map<string, StoredRecord>();
  for (const [partition, group] of Map.groupBy(entries, (entry) => entry.partition)) {
    const offsets = group.map(({ offset }) => offset).sort((a, b) => a - b);
    for (let i = 0; i < offsets.length; ) {
      const from = offsets[i]!;
      let to = from;
      while (i < offsets.length && offsets[i]! - to <= MAX_READ_GAP) to = offsets[i++]!;
      for await (const records of log.read({ topic, partition }, from, to + 1))
        for (const record of records) stored.set(`${partition}/${record.offset}`, record);
    }
  }
  return stored;
}
