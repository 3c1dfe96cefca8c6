/** Keeps the list of open dead letters up to date for as long as a service runs. */
import { once } from "node:events";
import type { DeadLetter } from "../contracts/dead-letter.ts";
import type { Log, Watcher } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";
import { sleepUnlessAborted } from "../platform/async/sleep.ts";
import { OpenDeadLetters } from "./open-dead-letters.ts";

/** Delay before a watch that ended starts again, in milliseconds. */
const RETRY_MS = 5_000;

interface DeadLetterWatchDeps {
  readonly log: Pick<Log, "watch" | "offsets">;
  readonly logger: Logger;
}

/** Watches dead-letter topics from their first record. A watch that fails starts again; it never rejects. */
export class DeadLetterWatch {
  private readonly closing = new AbortController();
  private readonly closed = once(this.closing.signal, "abort");
  private readonly running: Promise<void>;
  private current: OpenDeadLetters | undefined;

  /** @param isRelevant as in {@link OpenDeadLetters}. */
  constructor(
    private readonly deps: DeadLetterWatchDeps,
    private readonly topics: readonly string[],
    private readonly isRelevant?: (deadLetter: DeadLetter) => boolean,
  ) {
    this.running = this.run();
  }

  /** Undefined until all existing records have been read, and while the watch is interrupted. */
  get deadLetters(): OpenDeadLetters | undefined {
    return this.current;
  }

  /** Removes dead letters that retention has deleted. Call it regularly. @throws the log's error. */
  async removeExpired(): Promise<void> {
    const { current } = this;
    if (!current || current.count(() => true) === 0) return;
    for (const topic of this.topics)
      for (const [partition, { first }] of await this.deps.log.offsets(topic))
        current.expire({ topic, partition }, first);
  }

  /** Stops watching. */
  close(): Promise<void> {
    this.closing.abort();
    return this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.closing;
    while (!signal.aborted) {
      await this.watchOnce().catch((error) =>
        this.deps.logger.debug({ err: error, retryMs: RETRY_MS }, "watching the dead-letter topics failed; retrying"),
      );
      await sleepUnlessAborted(RETRY_MS, signal);
    }
  }

  /** Resolves when a watcher ends or this watch is closed. */
  private async watchOnce(): Promise<void> {
    const deadLetters = new OpenDeadLetters(this.isRelevant);
    const watchers: Watcher[] = [];
    try {
      for (const topic of this.topics) {
        const watcher = await this.deps.log.watch({
          topic,
          from: "start",
          onRecords: (records) => {
            for (const record of records) deadLetters.add(record);
          },
        });
        watchers.push(watcher);
      }
      await Promise.race([Promise.all(watchers.map(({ caughtUp }) => caughtUp)), this.closed]);
      this.current = deadLetters;
      await Promise.race([...watchers.map(({ ended }) => ended), this.closed]);
    } finally {
      this.current = undefined;
      await Promise.all(watchers.map((watcher) => watcher.close()));
    }
  }
}
