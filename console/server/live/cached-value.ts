/** Keeps the last result of a query that is repeated at an interval, and how old it is. */

/** Runs `query` at most once per interval and never twice at a time. */
export class CachedValue<T> {
  /** The last result; undefined before the first. */
  value: T | undefined;
  private pending = false;
  private startedAt = Number.NEGATIVE_INFINITY;
  private succeededAt = Number.NEGATIVE_INFINITY;

  /** @param intervalMs shortest time between the starts of two queries, in milliseconds. */
  constructor(
    private readonly intervalMs: number,
    private readonly query: () => Promise<T>,
  ) {}

  /** Starts the query when it is due, and does not wait for it. Never throws. @param nowMs `performance.now()`. */
  refreshIfDue(nowMs: number): void {
    if (this.pending || nowMs - this.startedAt < this.intervalMs) return;
    this.pending = true;
    this.startedAt = nowMs;
    void this.refresh();
  }

  /** Milliseconds since the last success; infinite before the first. */
  ageMs(nowMs: number): number {
    return nowMs - this.succeededAt;
  }

  private async refresh(): Promise<void> {
    try {
      this.value = await this.query();
      this.succeededAt = performance.now();
    } catch {
      // A value that is not refreshed ages, and the page shows it as unknown.
    } finally {
      this.pending = false;
    }
  }
}
