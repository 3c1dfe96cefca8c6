/** All dead letters as the topics tell: one for each origin, with what was done about it. */
import { type DeadLetter, decodeDeadLetterOrMark, originName, type Resolution } from "../../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { deadLetterTopic } from "../../contracts/topics.ts";
import type { Log, StoredRecord } from "../../kafka/log.ts";

/** What a letter is good for now. Superseded: its entity has that version or a newer one. */
export type DeadLetterState = "open" | Resolution;

export const deadLetterStates: readonly DeadLetterState[] = ["open", "replayed", "dropped", "superseded"];

export interface DeadLetterEntry {
  readonly entity: EntityDeclaration;
  /** Without its stack: a million of them must fit. */
  readonly deadLetter: Omit<DeadLetter, "stack">;
  /** `products.events/3/17` */
  readonly name: string;
  /** Where the letter stands in the dead-letter topic. */
  readonly partition: number;
  readonly offset: number;
  /** As far as the topic tells: a superseded letter may be open here (states.ts). */
  state: DeadLetterState;
}

const MOST_DETAIL = 300;

/** @param onRead is told how many records were read, and of how many. */
export async function readDeadLetters(
  log: Log,
  entities: readonly EntityDeclaration[],
  onRead: (read: number, of: number) => void = () => {},
): Promise<Map<string, DeadLetterEntry>> {
  const folding = new DeadLetterIndex();
  const places = [];
  for (const entity of entities) {
    const { name: topic } = deadLetterTopic(entity);
    for (const [partition, bounds] of await log.offsets(topic)) places.push({ entity, topic, partition, ...bounds });
  }
  const all = places.reduce((sum, { first, next }) => sum + next - first, 0);
  let read = 0;
  for (const { entity, topic, partition, first, next } of places)
    for await (const records of log.read({ topic, partition }, first, next)) {
      for (const record of records) folding.add(entity, record);
      read += records.length;
      onRead(read, all);
    }
  return folding.resolve();
}

/** Takes the records of a partition in their order, of one partition after the other. */
export class DeadLetterIndex {
  private readonly letters = new Map<string, DeadLetterEntry>();
  private readonly marks = new Map<string, Resolution>();

  add(
    entity: EntityDeclaration,
    record: Pick<StoredRecord, "key" | "headers" | "timestampMs" | "partition" | "offset">,
  ): void {
    const decoded = decodeDeadLetterOrMark(record);
    if (!decoded) return;
    if ("mark" in decoded) {
      this.marks.set(originName(decoded.mark.origin), decoded.mark.resolution);
      return;
    }
    const { stack: _, ...letter } = decoded.letter;
    const name = originName(letter.origin);
    // A letter that was written twice is one.
    if (this.letters.has(name)) return;
    const { partition, offset } = record;
    const short = { ...letter, detail: letter.detail.slice(0, MOST_DETAIL) };
    this.letters.set(name, { entity, deadLetter: short, name, partition, offset, state: "open" });
  }

  resolve(): Map<string, DeadLetterEntry> {
    const newest = new Map<string, DeadLetterEntry>();
    for (const found of this.letters.values()) {
      const of = found.deadLetter.replayOf;
      if (of === undefined) continue;
      // A letter that came back was replayed, also when nobody lived to mark it. When it came back twice, one of them is enough.
      const original = this.letters.get(of);
      if (original) original.state = "replayed";
      const other = newest.get(of);
      if (other) (isLater(found, other) ? other : found).state = "superseded";
      if (!other || isLater(found, other)) newest.set(of, found);
    }
    for (const [name, resolution] of this.marks) {
      const found = this.letters.get(name);
      if (found) found.state = resolution;
    }
    return this.letters;
  }
}

const isLater = (a: DeadLetterEntry, b: DeadLetterEntry): boolean =>
  a.deadLetter.writtenMs === b.deadLetter.writtenMs
    ? a.deadLetter.origin.offset > b.deadLetter.origin.offset
    : a.deadLetter.writtenMs > b.deadLetter.writtenMs;

/** By origin: within an entity that is the order in which its changes happened. */
export const sortByOrigin = (all: readonly DeadLetterEntry[]): DeadLetterEntry[] =>
  all.toSorted(
    ({ deadLetter: { origin: a } }, { deadLetter: { origin: b } }) =>
      (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0) || a.partition - b.partition || a.offset - b.offset,
  );
