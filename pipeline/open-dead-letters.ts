/**
 * The dead letters that are open, as their topics tell from the first record to the last, and on: for those who count them or look after
 * them. Memory is bounded; above the bound the count is an estimate.
 */
import { type DeadLetter, decodeDeadLetterOrMark, originName } from "../contracts/dead-letter.ts";
import type { Log, StoredRecord, TopicPartition, Watcher } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";

/** Letters that are kept one by one, some 300 bytes each. */
const MAX_KEPT = 100_000;
/** Names of letters that are done, so that one which is written twice does not come back. */
const MAX_DONE = 10_000;
/** A watch that ended begins anew after so long, in milliseconds. */
const RETRY_MS = 5_000;

export interface OpenDeadLetter
  extends Pick<DeadLetter, "origin" | "id" | "version" | "resent" | "replica" | "replayOf"> {
  readonly name: string;
  /** Where it stands among the dead letters. */
  readonly at: TopicPartition & { readonly offset: number };
}

export class OpenDeadLetters {
  private readonly kept = new Map<string, OpenDeadLetter>();
  /** Name of a letter → its replay that came back. */
  private readonly replays = new Map<string, string>();
  private readonly done = new Set<string>();
  private notKept = 0;

  constructor(private readonly isOurs: (letter: DeadLetter) => boolean = () => true) {}

  /** @param record the next of its partition. */
  take({
    key,
    headers,
    timestampMs,
    ...at
  }: Pick<StoredRecord, "key" | "headers" | "timestampMs" | keyof OpenDeadLetter["at"]>): void {
    const decoded = decodeDeadLetterOrMark({ key, headers, timestampMs });
    if (!decoded) return;
    if ("mark" in decoded) {
      this.close(originName(decoded.mark.origin));
      return;
    }
    const { origin, id, version, resent, replica, replayOf } = decoded.letter;
    const name = originName(origin);
    if (this.done.has(name) || this.kept.has(name) || !this.isOurs(decoded.letter)) return;
    if (replayOf !== undefined) {
      this.close(replayOf);
      const twin = this.replays.get(replayOf);
      if (twin !== undefined) this.close(twin);
      this.replays.set(replayOf, name);
    }
    if (this.kept.size >= MAX_KEPT) {
      this.notKept++;
      return;
    }
    const { topic, partition, offset } = at;
    this.kept.set(name, {
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

  /** It is replayed, dropped or superseded. */
  close(name: string): void {
    if (this.done.has(name)) return;
    this.done.add(name);
    const [oldest] = this.done;
    if (this.done.size > MAX_DONE && oldest !== undefined) this.done.delete(oldest);
    const found = this.kept.get(name);
    if (found) this.forget(found);
    else this.notKept = Math.max(0, this.notKept - 1);
  }

  /** Records before `first` are no longer in the partition. */
  expire({ topic, partition }: TopicPartition, first: number): void {
    for (const letter of this.kept.values())
      if (letter.at.topic === topic && letter.at.partition === partition && letter.at.offset < first)
        this.forget(letter);
  }

  /** Some that match, in turn: those of one call come last in later ones. */
  some(max: number, matches: (letter: OpenDeadLetter) => boolean): OpenDeadLetter[] {
    const chosen: OpenDeadLetter[] = [];
    for (const letter of this.kept.values()) {
      if (!matches(letter)) continue;
      chosen.push(letter);
      if (chosen.length >= max) break;
    }
    for (const letter of chosen) {
      this.kept.delete(letter.name);
      this.kept.set(letter.name, letter);
    }
    return chosen;
  }

  count(matches: (letter: OpenDeadLetter) => boolean): number {
    let count = this.notKept;
    for (const letter of this.kept.values()) if (matches(letter)) count++;
    return count;
  }

  private forget({ name, replayOf }: OpenDeadLetter): void {
    this.kept.delete(name);
    if (replayOf !== undefined && this.replays.get(replayOf) === name) this.replays.delete(replayOf);
  }
}

export interface DeadLetterWatch {
  /** Undefined until everything that was there has been read. */
  readonly letters: () => OpenDeadLetters | undefined;
  close(): Promise<void>;
}

/** Watches dead-letter topics, and begins anew when a watch ends. Never rejects: who counts letters must not stop the work. */
export function watchOpenDeadLetters(
  deps: { readonly log: Log; readonly logger: Logger },
  topics: readonly string[],
  isOurs?: (letter: DeadLetter) => boolean,
): DeadLetterWatch {
  const closing = Promise.withResolvers<void>();
  let closed = false;
  let current: OpenDeadLetters | undefined;
  const once = async (): Promise<void> => {
    const letters = new OpenDeadLetters(isOurs);
    const watchers: Watcher[] = [];
    try {
      const onRecords = (records: readonly StoredRecord[]) => {
        for (const record of records) letters.take(record);
      };
      for (const topic of topics) watchers.push(await deps.log.watch({ topic, from: "start", onRecords }));
      await Promise.race([Promise.all(watchers.map(({ caughtUp }) => caughtUp)), closing.promise]);
      current = letters;
      await Promise.race([...watchers.map(({ ended }) => ended), closing.promise]);
    } finally {
      current = undefined;
      await Promise.all(watchers.map((watcher) => watcher.close()));
    }
  };
  const running = (async () => {
    while (!closed) {
      await once().catch((error) => deps.logger.debug({ err: error }, "dead letters are not watched for a moment"));
      if (!closed) await Promise.race([Bun.sleep(RETRY_MS), closing.promise]);
    }
  })();
  return {
    letters: () => current,
    async close() {
      closed = true;
      closing.resolve();
      await running;
    },
  };
}
