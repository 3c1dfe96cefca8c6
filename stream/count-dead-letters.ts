/** Counts the open dead letters of the partitions that this instance has: those of all instances together are all. */
import { isSuperseded } from "../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { deadLetterTopic, eventsTopic } from "../contracts/topics.ts";
import type { Log, TopicPartition } from "../kafka/log.ts";
import type { OpenDeadLetter, OpenDeadLetters } from "../pipeline/open-dead-letters.ts";
import { scopeOf } from "./take-over.ts";
import type { VersionStore } from "./version-store.ts";

/** Letters of the stream that are looked up at a time: a tenth of a second for 100,000 would hold up events. */
const MOST_LOOKED_UP = 2_000;

export interface CountDeadLettersDeps {
  readonly log: Pick<Log, "offsets">;
  readonly known: Pick<VersionStore, "newest">;
  readonly assigned: () => readonly TopicPartition[];
}

/** Forgets what has expired and what newer events have healed. @returns how many are open. */
export async function countOpenDeadLetters(
  { log, known, assigned }: CountDeadLettersDeps,
  letters: OpenDeadLetters,
  entities: readonly EntityDeclaration[],
): Promise<number> {
  for (const entity of entities) {
    const topic = deadLetterTopic(entity).name;
    for (const [partition, { first }] of await log.offsets(topic)) letters.expire({ topic, partition }, first);
  }
  let count = 0;
  for (const entity of entities) {
    const { name: topic } = deadLetterTopic(entity);
    const own = new Set(assigned().flatMap((at) => (at.topic === eventsTopic(entity).name ? [at.partition] : [])));
    const isOwn = ({ at }: OpenDeadLetter) => at.topic === topic && own.has(at.partition);
    const healable = letters.some(MOST_LOOKED_UP, (letter) => isOwn(letter) && letter.replica === undefined);
    for (const [partition, of] of Map.groupBy(healable, ({ at }) => at.partition)) {
      const newest = known.newest(
        scopeOf(entity, partition),
        of.flatMap(({ id }) => id ?? []),
      );
      for (const letter of of) if (letter.id && isSuperseded(letter, newest.get(letter.id))) letters.close(letter.name);
    }
    count += letters.count(isOwn);
  }
  return count;
}
