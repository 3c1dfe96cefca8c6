/**
 * A time limit that many promises share. One timer serves all of them, because a timer per promise costs more than most
 * of the work that it limits.
 */

interface Entry {
  readonly atMs: number;
  readonly onTimeout: () => void;
}

/**
 * Limits that end within this time of each other end together, in milliseconds: statements that were sent together get
 * the same error, and need one timer.
 */
const PRECISION_MS = 5;

/** Work that is in progress, under a common limit. */
export class SharedDeadline {
  /** In the order of their deadlines. */
  private readonly entries = new Set<Entry>();
  private timer: Timer | undefined;

  /** @param timeoutMs the limit of each work, from its start. */
  constructor(private readonly timeoutMs: number) {}

  /**
   * Starts a limit.
   *
   * @param onTimeout called once when the time is up.
   * @returns a function that ends the limit: `onTimeout` is then not called any more.
   */
  start(onTimeout: () => void): () => void {
    const entry = { atMs: performance.now() + this.timeoutMs, onTimeout };
    this.entries.add(entry);
    // The timer keeps running after the last entry has ended, because the next one needs it soon.
    this.timer ??= this.startTimer(this.timeoutMs);
    return () => void this.entries.delete(entry);
  }

  /**
   * Waits for `work`, which cannot be cancelled and continues after the limit.
   *
   * @param timeoutError makes the error when the time is up; called at most once.
   * @throws {Error} `timeoutError()`, or whatever `work` rejects with before that.
   */
  limit<T>(work: PromiseLike<T>, timeoutError: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = this.start(() => reject(timeoutError()));
      work.then(
        (result) => {
          end();
          resolve(result);
        },
        (error) => {
          end();
          reject(error);
        },
      );
    });
  }

  private startTimer(afterMs: number): Timer {
    return setTimeout(() => this.onTimer(), Math.max(1, Math.ceil(afterMs)));
  }

  private onTimer(): void {
    this.timer = undefined;
    const dueMs = performance.now() + PRECISION_MS;
    for (const entry of this.entries) {
      if (entry.atMs > dueMs) {
        this.timer ??= this.startTimer(entry.atMs - dueMs);
        return;
      }
      this.entries.delete(entry);
      entry.onTimeout();
    }
  }
}
