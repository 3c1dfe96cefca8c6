/**
 * Runs concurrent tasks one step at a time, in an order that a list of numbers decides. The same numbers give the same
 * run, also when real servers take part: no task continues before every task waits for its next step.
 */
export class StepScheduler {
  private readonly waiters: (() => void)[] = [];
  private readonly failures: unknown[] = [];
  private active = 0;
  private externalCalls = 0;
  private stepCount = 0;

  /**
   * @param picks selects the next task of each step: an index into the waiting tasks (modulo their number), or -1 for the
   * one that waits for the shortest time. The list repeats from its start.
   */
  constructor(private readonly picks: readonly number[]) {}

  /** Suspends the calling task until the scheduler selects it. */
  step(): Promise<void> {
    const go = Promise.withResolvers<void>();
    this.waiters.push(go.resolve);
    return go.promise;
  }

  /** Runs a call to a real server. No task takes a step until it has finished. */
  async runExternal<T>(work: () => Promise<T>): Promise<T> {
    this.externalCalls++;
    try {
      return await work();
    } finally {
      this.externalCalls--;
    }
  }

  /** Starts a concurrent task. */
  spawn(work: () => Promise<unknown>): void {
    this.active++;
    void this.step()
      .then(work)
      .catch((error) => this.failures.push(error))
      .finally(() => this.active--);
  }

  /**
   * Runs steps until every task has finished.
   *
   * @throws the first error of any task; {Error} on a deadlock: tasks are active, but none waits for a step.
   */
  async runAll(): Promise<void> {
    for (;;) {
      // Lets every task run until it waits for its next step.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.active === 0) break;
      if (this.externalCalls > 0) continue;
      if (this.waiters.length === 0) throw new Error("deadlock: tasks are active, but none waits for a step");
      const pick = this.picks[this.stepCount++ % this.picks.length] ?? 0;
      this.waiters.splice(pick < 0 ? -1 : pick % this.waiters.length, 1)[0]!();
    }
    if (this.failures.length > 0) throw this.failures[0];
  }
}
