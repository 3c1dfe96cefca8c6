/** Keeps work below a rate, without catching up on what was missed: a pause is not followed by a burst. */
import { setTimeout as sleep } from "node:timers/promises";

const SECOND = 1_000;

export class Throttle {
  private nextAt = performance.now();

  /** @param perSecond most units a second. */
  constructor(private readonly perSecond: number) {}

  /** Resolves when so many units may be done, or when `signal` is aborted. */
  async take(units: number, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    const waitMs = this.nextAt - now;
    this.nextAt = Math.max(now, this.nextAt) + (units / this.perSecond) * SECOND;
    if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => {});
  }
}
