/** Writes what was done about letters beside them. One command at a time: a second one shuts the first out. */
import { encodeMark, type Resolution } from "../../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { deadLetterTopic, eventsTopic } from "../../contracts/topics.ts";
import { type Log, type LogWriter, type TopicPartition, WriterDeadError } from "../../kafka/log.ts";
import { ConnectionError } from "../connect.ts";
import type { DeadLetterEntry } from "./read-dead-letters.ts";

const WRITER = "lockstep.operations.dead-letters";

/** Opens the writer of the entities' dead letters and events. */
export async function openDeadLetterWriter(log: Log, entities: readonly EntityDeclaration[]): Promise<LogWriter> {
  const places: TopicPartition[] = [];
  for (const entity of entities)
    for (const { name: topic } of [deadLetterTopic(entity), eventsTopic(entity)]) {
      const count = await log.partitions(topic);
      for (let partition = 0; partition < count; partition++) places.push({ topic, partition });
    }
  return await log.openWriter(WRITER, places);
}

export async function writeResolution(
  writer: LogWriter,
  letters: readonly DeadLetterEntry[],
  resolution: Resolution,
): Promise<void> {
  const atMs = Date.now();
  const byPlace = Map.groupBy(letters, ({ entity, partition }) => `${deadLetterTopic(entity).name}/${partition}`);
  await Promise.all(
    [...byPlace.values()].map((of) => {
      const { entity, partition } = of[0]!;
      const marks = of.map(({ deadLetter }) => encodeMark({ origin: deadLetter.origin, resolution, atMs }));
      return writer.write({ topic: deadLetterTopic(entity).name, partition }, marks);
    }),
  );
}

/** The same error in words that a person can act on, where it is one of the log. */
export function toUserError(error: unknown): unknown {
  if (!(error instanceof WriterDeadError)) return error;
  const why = error.fenced
    ? "another dead-letters command took over"
    : "the log did not say whether it has the last step";
  return new ConnectionError(`${why}; run it again: what is done already is not done twice`);
}
