/** Writes to the dead-letter topics how dead letters were resolved. A second command fences the writer of the first. */
import { encodeMark, type Resolution } from "../../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { qualify } from "../../contracts/project.ts";
import { deadLetterTopic, eventsTopic } from "../../contracts/topics.ts";
import { type Log, type LogWriter, type TopicPartition, WriterDeadError } from "../../kafka/log.ts";
import { ConnectionError } from "../connect.ts";
import type { DeadLetterEntry } from "./dead-letter-index.ts";

const WRITER_NAME = "lockstep.operations.dead-letters";

/**
 * Opens the writer of the entities' dead-letter topics and events topics.
 *
 * @param entities at least one.
 * @throws {Error} when the log is unavailable.
 */
export async function openDeadLetterWriter(log: Log, entities: readonly EntityDeclaration[]): Promise<LogWriter> {
  const partitions: TopicPartition[] = [];
  for (const entity of entities)
    for (const { name: topic } of [deadLetterTopic(entity), eventsTopic(entity)]) {
      const count = await log.partitionCount(topic);
      for (let partition = 0; partition < count; partition++) partitions.push({ topic, partition });
    }
  return await log.openWriter(qualify(entities[0]!, WRITER_NAME), partitions);
}

/**
 * Writes one record per dead letter, to the partition that holds it.
 *
 * @throws {WriterDeadError} when the writer was fenced or failed.
 */
export async function writeResolution(
  writer: LogWriter,
  entries: readonly DeadLetterEntry[],
  resolution: Resolution,
): Promise<void> {
  const atMs = Date.now();
  const byPartition = Map.groupBy(entries, ({ entity, partition }) => `${deadLetterTopic(entity).name}/${partition}`);
  await Promise.all(
    [...byPartition.values()].map((group) => {
      const { entity, partition } = group[0]!;
      const records = group.map(({ deadLetter }) => encodeMark({ origin: deadLetter.origin, resolution, atMs }));
      return writer.write({ topic: deadLetterTopic(entity).name, partition }, records);
    }),
  );
}

/** Turns a writer's error into one that the user can act on. Returns every other error as it is. */
export function toUserError(error: unknown): unknown {
  if (!(error instanceof WriterDeadError)) return error;
  const cause = error.fenced
    ? "another dead-letters command has taken over the writer"
    : "the log did not confirm the last step";
  return new ConnectionError(`${cause}: run this command again; it skips what is done already`, { cause: error });
}
