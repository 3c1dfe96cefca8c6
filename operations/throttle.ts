/** Slows an operation down, so that the clients of the same servers hardly notice it. */
import { sleepUnlessAborted } from "../platform/async/sleep.ts";

/** Longest pause for a share, in milliseconds. One slow portion of work does not cause a pause of minutes. */
const MAX_SHARE_DELAY_MS = 5_000;

/**
 * - `share`: the part of the time that is spent working, above 0 up to 1.
 * - `perSecond`: the most units of work in a second. A pause is not followed by a burst.
 */
export type ThrottleLimit = { readonly share: number } | { readonly perSecond: number };

/** Holds one operation to a share of the time or to a rate. The clock starts with the constructor. */
export class Throttle {
  private workingSince = performance.now();
  private nextAt = performance.now();

  /** @param signal ends a wait as soon as it aborts. */
  constructor(
    private readonly limit: ThrottleLimit,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * Waits between two portions of work. Never rejects: the caller checks the signal afterwards.
   *
   * @param units size of the next portion, for a limit `perSecond`.
   */
  async wait(units = 1): Promise<void> {
    const now = performance.now();
    const delayMs = "share" in this.limit ? this.shareDelayMs(now, this.limit.share) : this.nextAt - now;
    if ("perSecond" in this.limit) this.nextAt = Math.max(now, this.nextAt) + (units / this.limit.perSecond) * 1_000;
    if (delayMs > 0) await sleepUnlessAborted(delayMs, this.signal);
    this.workingSince = performance.now();
  }

  private shareDelayMs(now: number, share: number): number {
    const workedMs = now - this.workingSince;
    return Math.min(MAX_SHARE_DELAY_MS, workedMs / share - workedMs);
  }
}
