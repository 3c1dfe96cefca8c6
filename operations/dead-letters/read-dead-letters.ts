/** Reads the dead-letter topics from their first record to their present end. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { deadLetterTopic } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";
import { type DeadLetterEntry, DeadLetterIndex } from "./dead-letter-index.ts";

/**
 * Reads all dead letters of some entities.
 *
 * @param onRead called after each batch with the number of records read, and of all records.
 * @returns the dead letters by name, with their states in the topics. @throws {Error} when the log is unavailable.
 */
export async function readDeadLetters(
  log: Log,
  entities: readonly EntityDeclaration[],
  onRead: (read: number, total: number) => void = () => {},
): Promise<Map<string, DeadLetterEntry>> {
  const index = new DeadLetterIndex();
  const partitions = [];
  for (const entity of entities) {
    const { name: topic } = deadLetterTopic(entity);
    for (const [partition, offsets] of await log.offsets(topic))
      partitions.push({ entity, topic, partition, ...offsets });
  }
  const total = partitions.reduce((sum, { first, next }) => sum + next - first, 0);
  let read = 0;
  for (const { entity, topic, partition, first, next } of partitions)
    for await (const records of log.read({ topic, partition }, first, next)) {
      for (const record of records) index.add(entity, record);
      read += records.length;
      onRead(read, total);
    }
  return index.resolve();
}
