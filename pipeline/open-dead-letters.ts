/**
 * The dead letters that are open: neither replayed, dropped nor superseded. Built from the records of the dead-letter
 * topics, in order. Memory is bounded; above the bound the count is an estimate.
 */
import { type DeadLetter, decodeDeadLetterOrMark, originName } from "../contracts/dead-letter.ts";
import type { StoredRecord, TopicPartition } from "../kafka/log.ts";

/** Dead letters in memory, about 300 bytes each. */
const MAX_OPEN = 100_000;
/** Names of closed dead letters in memory. A dead letter that was written twice must not open again. */
const MAX_CLOSED = 10_000;

/** One open dead letter, without its content. */
export interface OpenDeadLetter
  extends Pick<DeadLetter, "origin" | "id" | "version" | "resent" | "replica" | "replayOf"> {
  /** `originName` of its origin. */
  readonly name: string;
  /** Position of its record in the dead-letter topic. */
  readonly at: TopicPartition & { readonly offset: number };
}

/** The members of a record that {@link OpenDeadLetters.add} reads. */
type DeadLetterRecord = Pick<StoredRecord, "key" | "headers" | "timestampMs" | keyof OpenDeadLetter["at"]>;

/** Built by `DeadLetterWatch` (watch-dead-letters.ts). */
export class OpenDeadLetters {
  private readonly byName = new Map<string, OpenDeadLetter>();
  /** Name of a dead letter → name of the dead letter that its replay became. */
  private readonly failedReplays = new Map<string, string>();
  private readonly closedNames = new Set<string>();
  /** Open dead letters beyond {@link MAX_OPEN}. */
  private overflow = 0;

  /** @param isRelevant dead letters for which it returns false are ignored. Default: all are relevant. */
  constructor(private readonly isRelevant: (deadLetter: DeadLetter) => boolean = () => true) {}

  /** Adds the next record of its partition: a dead letter opens, a mark closes one. Other records are ignored. */
  add(record: DeadLetterRecord): void {
    const decoded = decodeDeadLetterOrMark(record);
    if (!decoded) return;
    if ("mark" in decoded) this.close(originName(decoded.mark.origin));
    else if (this.isRelevant(decoded.deadLetter)) this.open(decoded.deadLetter, record);
  }

  /** Closes the dead letter with this name. */
  close(name: string): void {
    if (this.closedNames.has(name)) return;
    this.closedNames.add(name);
    const [oldest] = this.closedNames;
    if (this.closedNames.size > MAX_CLOSED && oldest !== undefined) this.closedNames.delete(oldest);
    const found = this.byName.get(name);
    if (found) this.remove(found);
    else this.overflow = Math.max(0, this.overflow - 1);
  }

  /** Removes dead letters that retention has deleted: those of the partition before offset `first`. */
  expire({ topic, partition }: TopicPartition, first: number): void {
    for (const deadLetter of this.byName.values()) {
      const { at } = deadLetter;
      if (at.topic === topic && at.partition === partition && at.offset < first) this.remove(deadLetter);
    }
  }

  /** Returns up to `max` that match, and moves them to the end of the list: repeated calls return all in turn. */
  nextMatching(max: number, matches: (deadLetter: OpenDeadLetter) => boolean): OpenDeadLetter[] {
    const found = this.byName.values().filter(matches).take(max).toArray();
    for (const deadLetter of found) {
      this.byName.delete(deadLetter.name);
      this.byName.set(deadLetter.name, deadLetter);
    }
    return found;
  }

  /** Returns how many match. Those beyond {@link MAX_OPEN} count as matching. */
  count(matches: (deadLetter: OpenDeadLetter) => boolean): number {
    let count = this.overflow;
    for (const deadLetter of this.byName.values()) if (matches(deadLetter)) count++;
    return count;
  }

  private open({ origin, id, version, resent, replica, replayOf }: DeadLetter, record: DeadLetterRecord): void {
    const name = originName(origin);
    if (this.closedNames.has(name) || this.byName.has(name)) return;
    if (replayOf !== undefined) this.replaceWithReplay(replayOf, name);
    if (this.byName.size >= MAX_OPEN) {
      this.overflow++;
      return;
    }
    const { topic, partition, offset } = record;
    this.byName.set(name, {
      origin,
      resent,
      name,
      at: { topic, partition, offset },
      ...(id === undefined ? {} : { id }),
      ...(version === undefined ? {} : { version }),
      ...(replica === undefined ? {} : { replica }),
      ...(replayOf === undefined ? {} : { replayOf }),
    });
  }

  /** A replay that failed replaces the original and any earlier failed replay of it. */
  private replaceWithReplay(original: string, replay: string): void {
    this.close(original);
    const earlier = this.failedReplays.get(original);
    if (earlier !== undefined) this.close(earlier);
    this.failedReplays.set(original, replay);
  }

  private remove({ name, replayOf }: OpenDeadLetter): void {
    this.byName.delete(name);
    if (replayOf !== undefined && this.failedReplays.get(replayOf) === name) this.failedReplays.delete(replayOf);
  }
}
