/** The state of a writer: open, then dead permanently. */
import { WriterDeadError } from "../log.ts";
import { errorAction } from "../wire/broker-errors.ts";

/**
 * Age at which a writer ends itself, in milliseconds. Brokers forget the epochs of an idle partition after a day
 * (`producer.id.expiration.ms`), and with them the fence. A writer that was suspended for so long must not write again.
 */
const MAX_AGE_MS = 20 * 60 * 60 * 1000;

/** Shared by a writer and its partitions. */
export class WriterState {
  readonly openedAtMs = Date.now();
  private readonly ending = new AbortController();
  private dead: WriterDeadError | undefined;

  constructor(readonly name: string) {}

  /** Aborts with the {@link WriterDeadError} when the writer dies. */
  get signal(): AbortSignal {
    return this.ending.signal;
  }

  get isOpen(): boolean {
    return this.dead === undefined;
  }

  /** Ends the writer when it is older than 20 hours. @throws {WriterDeadError} when the writer is dead. */
  throwIfDead(): void {
    if (Date.now() - this.openedAtMs > MAX_AGE_MS) this.end(new Error("it is older than 20 hours"));
    if (this.dead) throw this.dead;
  }

  /** Makes the writer dead. Later calls keep the first cause. @returns the error for all pending writes. */
  end(cause: unknown): WriterDeadError {
    this.dead ??=
      cause instanceof WriterDeadError ? cause : new WriterDeadError(this.name, errorAction(cause) === "fenced", cause);
    this.ending.abort(this.dead);
    return this.dead;
  }
}
