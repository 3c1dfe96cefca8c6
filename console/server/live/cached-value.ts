/** One thing that is asked again and again, never twice at a time: what it last said, and how long ago. */

export class CachedValue<T> {
  value: T | undefined;
  /** Why the last question was not answered; undefined when it was. */
  problem: string | undefined;
  private asking = false;
  private askedAt = Number.NEGATIVE_INFINITY;
  private answeredAt = Number.NEGATIVE_INFINITY;

  /** @param everyMs pause between the beginnings of two questions, at least. */
  constructor(
    private readonly everyMs: number,
    private readonly question: () => Promise<T>,
  ) {}

  /** Asks when it is time. Never rejects, and waits for nothing. @param nowMs of a clock that only rises. */
  tick(nowMs: number): void {
    if (this.asking || nowMs - this.askedAt < this.everyMs) return;
    this.asking = true;
    this.askedAt = nowMs;
    void this.ask();
  }

  /** Asks at the next tick, whenever the last question was. */
  soon(): void {
    this.askedAt = Number.NEGATIVE_INFINITY;
  }

  /** Milliseconds since it last answered; infinite when it never did. */
  ageMs(nowMs: number): number {
    return nowMs - this.answeredAt;
  }

  private async ask(): Promise<void> {
    try {
      this.value = await this.question();
      this.answeredAt = performance.now();
      this.problem = undefined;
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
    } finally {
      this.asking = false;
    }
  }
}
