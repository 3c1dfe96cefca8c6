/** How every kind of writer lives and ends: open, then dead for good. */
import { WriterDeadError } from "../log.ts";
import { errorAction } from "../wire/broker-errors.ts";

/**
 * Age at which a writer ends itself. Brokers forget the epochs of a partition that nobody writes to after a day
 * (`producer.id.expiration.ms`), and with them the fence: a writer that was suspended for so long must not write again.
 */
const LIFETIME_MS = 20 * 60 * 60 * 1000;

export class WriterState {
  readonly openedAtMs = Date.now();
  private readonly ending = new AbortController();
  private dead: WriterDeadError | undefined;

  constructor(readonly name: string) {}

  /** Aborted with the {@link WriterDeadError} when the writer ends. */
  get signal(): AbortSignal {
    return this.ending.signal;
  }

  get isOpen(): boolean {
    return this.dead === undefined;
  }

  /** @throws {WriterDeadError} when it has ended, or is too old to be sure of its fence. */
  throwIfDead(): void {
    if (Date.now() - this.openedAtMs > LIFETIME_MS) this.end(new Error("older than 20 hours; open a new one"));
    if (this.dead) throw this.dead;
  }

  /** Ends it, once; the first cause stays. */
  end(cause: unknown): WriterDeadError {
    this.dead ??=
      cause instanceof WriterDeadError ? cause : new WriterDeadError(this.name, errorAction(cause) === "fenced", cause);
    this.ending.abort(this.dead);
    return this.dead;
  }
}
