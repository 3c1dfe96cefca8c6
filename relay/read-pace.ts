/**
 * When the relay reads the outbox next. A batch costs each hop behind the relay as much as about ten rows, even
 * when it is small. So the relay waits for more rows, but only while they come often.
 */

/** The rate of rows is a mean over about this time. */
const RATE_WINDOW_MS = 250;
/** How long the first unread row may wait for others while the relay is asleep. A NOTIFY announces each row then. */
const GATHER_MS = 8;
/** Time between two reads while the relay is awake. */
const AWAKE_READ_MS = 12;
/**
 * Rows per second from which the relay is awake. Writers are then so fast that each batch has several rows without a
 * NOTIFY. Each NOTIFY would hold a database-wide lock until its commit is on disk.
 */
const WAKE_UP_RATE = 300;
/** Rows per second below which the relay falls asleep. Then a row waits for the one after it, not for a fixed time. */
const FALL_ASLEEP_RATE = 240;

/** Decides by the rows of the reads before. Pure: all times are given, in milliseconds of one clock. */
export class ReadPace {
  /** Rows of all reads. Each counts less as time passes: 1/e after {@link RATE_WINDOW_MS}. */
  private rows = 0;
  private readAt = Number.NEGATIVE_INFINITY;
  /** Whether the next read waits for rows, and whether the last one has waited. */
  private isWaiting = false;
  private hasWaited = false;

  /** Records that a read has returned this number of rows. Call it after each read. */
  recordRead(rows: number, nowMs: number): void {
    this.rows = this.rows * Math.exp((this.readAt - nowMs) / RATE_WINDOW_MS) + rows;
    this.readAt = nowMs;
    this.hasWaited = this.isWaiting;
    this.isWaiting = false;
  }

  /** True when a sleeping relay should wake up. */
  get isFast(): boolean {
    return this.rowsPerSecond > WAKE_UP_RATE;
  }

  /** True when a relay that is awake should fall asleep. */
  get isSlow(): boolean {
    return this.rowsPerSecond < FALL_ASLEEP_RATE;
  }

  /**
   * Returns how long a sleeping relay, which has been notified, waits for the next row: 0 when that row is not expected
   * in time. Of two successive reads at most one waits, so that most rows of a steady flow go at once.
   *
   * @param firstMs when the first unread row came.
   */
  gatherMs(firstMs: number, nowMs: number): number {
    const deadline = firstMs + GATHER_MS;
    const isExpected = nowMs + 1_000 / this.rowsPerSecond < deadline;
    if (!isExpected || this.hasWaited) return 0;
    this.isWaiting = true;
    return deadline - nowMs;
  }

  /** Returns how long a relay that is awake waits until it reads again. */
  awakeMs(nowMs: number): number {
    return Math.max(0, this.readAt + AWAKE_READ_MS - nowMs);
  }

  /** At the time of the last read. */
  private get rowsPerSecond(): number {
    return (this.rows * 1_000) / RATE_WINDOW_MS;
  }
}
