/** Step 4 of the stream: writes the outputs of a chunk of input, without those that an earlier owner has stored. */
import type { OutgoingRecord } from "../kafka/log.ts";
import type { Decision } from "./decide.ts";
import type { OwnedPartition } from "./owned-partition.ts";

/**
 * Writes each topic's records in the order of their input; the topics in parallel. Resolves when all records are
 * stored.
 *
 * @throws {Error} whatever the writer throws. Some outputs may be stored then: the partition must be released and taken
 * over again before the same input is processed.
 */
export async function writeOutputs(owned: OwnedPartition, decisions: readonly Decision[]): Promise<void> {
  const byTopic = groupByTopic(owned, decisions);
  const writes = await Promise.allSettled([...byTopic].map(([topic, records]) => owned.write(topic, records)));
  const failed = writes.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

function groupByTopic(owned: OwnedPartition, decisions: readonly Decision[]): Map<string, OutgoingRecord[]> {
  const byTopic = new Map<string, OutgoingRecord[]>();
  for (const { offset, outputs } of decisions)
    for (const { topic, record } of outputs) {
      if (owned.isStored(topic, offset, record)) continue;
      const records = byTopic.get(topic);
      if (records) records.push(record);
      else byTopic.set(topic, [record]);
    }
  return byTopic;
}
