/**
 * Concurrent work one step at a time, in an order that a list of numbers decides: the same numbers give the same run, also with
 * real servers in it, since nobody goes on before everybody has come to a stop.
 */
export class StepScheduler {
  private readonly waiters: (() => void)[] = [];
  private readonly failures: unknown[] = [];
  private active = 0;
  private externalCalls = 0;
  private stepCount = 0;

  /** @param picks decides who goes next, again and again from the start: which of those who wait, or -1 for who came last. */
  constructor(private readonly picks: readonly number[]) {}

  /** Stops here until it is this one's turn. */
  step(): Promise<void> {
    const go = Promise.withResolvers<void>();
    this.waiters.push(go.resolve);
    return go.promise;
  }

  /** Something that a real server does: nobody gets a turn meanwhile. */
  async runExternal<T>(work: () => Promise<T>): Promise<T> {
    this.externalCalls++;
    try {
      return await work();
    } finally {
      this.externalCalls--;
    }
  }

  /** Starts something that runs beside the rest. */
  spawn(work: () => Promise<unknown>): void {
    this.active++;
    void this.step()
      .then(work)
      .catch((error) => this.failures.push(error))
      .finally(() => this.active--);
  }

  /** Gives turns until all is done. @throws the first error of any, or when all wait for each other. */
  async runAll(): Promise<void> {
    for (;;) {
      // Everything that can go on without a turn does so first.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.active === 0) break;
      if (this.externalCalls > 0) continue;
      if (this.waiters.length === 0) throw new Error("all wait for each other");
      const pick = this.picks[this.stepCount++ % this.picks.length] ?? 0;
      this.waiters.splice(pick < 0 ? -1 : pick % this.waiters.length, 1)[0]!();
    }
    if (this.failures.length > 0) throw this.failures[0];
  }
}
