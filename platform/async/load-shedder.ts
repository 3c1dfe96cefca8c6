/**
 * Rejects requests at once while the ones before them wait too long. What counts is the time in the queue, not the
 * length of the queue: a burst that is processed in time passes (RFC 8289, Controlled Delay).
 *
 * States:
 * - normal: all requests are admitted. Left when the queue time was above the target for an interval.
 * - shedding: a limited number of requests is in progress at the same time. The limit follows the queue time, so that
 *   the queue is short but never empty. Left when no request was rejected for a second.
 */

/** What {@link LoadShedder} knows about the queue behind it. */
export interface Queue {
  /** How long requests wait now, in milliseconds; 0 for an empty queue. */
  readonly queueTimeMs: number;
  /** True when the queue accepts no request. */
  readonly isFull: boolean;
}

/** Queue time that is acceptable, in milliseconds. */
const TARGET_MS = 200;
/** A queue time above the target for this time, in milliseconds, is no burst. */
const INTERVAL_MS = 500;
/** Time between two changes of the limit, in milliseconds. */
const STEP_MS = 50;
/** The limit changes at most by these factors in one step. */
const MIN_FACTOR = 0.6;
const MAX_FACTOR = 1.15;
/** Shedding ends after this time without a rejected request, in milliseconds. */
const CALM_MS = 1_000;

/** Admits the requests of one queue; see the top of this file. */
export class LoadShedder {
  private inProgress = 0;
  /** Requests in progress while shedding; infinite in normal state. */
  private limit = Number.POSITIVE_INFINITY;
  private steppedAtMs = Number.NEGATIVE_INFINITY;
  /** Since when the queue time is above the target; undefined while it is not. */
  private slowSinceMs: number | undefined;
  private rejectedAtMs = Number.NEGATIVE_INFINITY;

  /**
   * @param minLimit requests that are always admitted together, so that a slow queue still fills its batches.
   * @param now a monotonic clock, in milliseconds.
   */
  constructor(
    private readonly queue: Queue,
    private readonly minLimit: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /**
   * Admits a request or rejects it.
   *
   * @returns a function that must be called once, when the request is no longer in progress; undefined: rejected.
   */
  admit(): (() => void) | undefined {
    const now = this.now();
    if (now - this.steppedAtMs >= STEP_MS) this.step(now);
    if (this.inProgress >= this.limit || this.queue.isFull) {
      this.rejectedAtMs = now;
      return undefined;
    }
    this.inProgress++;
    return () => void this.inProgress--;
  }

  private step(now: number): void {
    this.steppedAtMs = now;
    const factor = TARGET_MS / Math.max(this.queue.queueTimeMs, 1);
    if (factor >= 1) this.slowSinceMs = undefined;
    else this.slowSinceMs ??= now;
    if (this.limit !== Number.POSITIVE_INFINITY) {
      const limit = this.limit * Math.min(MAX_FACTOR, Math.max(MIN_FACTOR, factor));
      this.limit = now - this.rejectedAtMs > CALM_MS ? Number.POSITIVE_INFINITY : Math.max(this.minLimit, limit);
    } else if (this.slowSinceMs !== undefined && now - this.slowSinceMs >= INTERVAL_MS) {
      this.limit = Math.max(this.minLimit, this.inProgress * factor);
      this.rejectedAtMs = now;
    }
  }
}
