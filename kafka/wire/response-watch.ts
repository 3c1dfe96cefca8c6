/** Finds responses that are overdue, with one timer for all connections of a process. */

/** Time between two checks, in milliseconds. */
export const CHECK_INTERVAL_MS = 250;

/** A connection that waits for responses. */
export interface Watched {
  /** Called every {@link CHECK_INTERVAL_MS}. @returns false when no response is pending any more. */
  check(): boolean;
}

/**
 * Checks connections while they wait for responses. The timer stops when none does. Connections count checks instead of
 * reading the clock: after this process was suspended, a broker must not count as silent.
 */
export class ResponseWatch {
  private readonly watched = new Set<Watched>();
  private timer: Timer | undefined;

  /** Checks a connection until it reports that no response is pending. */
  add(connection: Watched): void {
    this.watched.add(connection);
    if (this.timer) return;
    this.timer = setInterval(() => this.checkAll(), CHECK_INTERVAL_MS);
    this.timer.unref?.();
  }

  private checkAll(): void {
    for (const connection of this.watched) if (!connection.check()) this.watched.delete(connection);
    if (this.watched.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
