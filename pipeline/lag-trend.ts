/** The lag of the last seconds: the condition `lag-growing`. */

/** The lag is compared with the lag before this time, in milliseconds. */
const WINDOW_MS = 10_000;

/** When a lag counts as growing, in the unit of the samples. */
export interface LagLimits {
  /** A lag below this one is usual, during a rebalance or a bulk load for example. */
  readonly minLag: number;
  /** The lag grows when it rises by this much within ten seconds. */
  readonly minGrowth: number;
}

/** How the lag has grown, in the unit of the samples. */
export interface LagGrowth {
  readonly from: number;
  readonly to: number;
  /** Time between the two, in milliseconds. */
  readonly ms: number;
}

/** Observes the lag of one consumer, in records or in milliseconds. */
export class LagTrend {
  private samples: { readonly atMs: number; readonly lag: number }[] = [];

  constructor(private readonly limits: LagLimits) {}

  /**
   * Adds the present lag.
   *
   * @param nowMs milliseconds of one clock.
   * @param lag undefined starts again, because the lag is unknown or the consumer is paused.
   */
  sample(nowMs: number, lag: number | undefined): void {
    if (lag === undefined) {
      this.samples = [];
      return;
    }
    // The oldest sample is the first one that is as old as the window.
    while (this.samples[1] && nowMs - this.samples[1].atMs >= WINDOW_MS) this.samples.shift();
    this.samples.push({ atMs: nowMs, lag });
  }

  /** The growth within the window; undefined while the lag does not grow. */
  growth(): LagGrowth | undefined {
    const [first] = this.samples;
    const last = this.samples.at(-1);
    if (!first || !last || last.atMs - first.atMs < WINDOW_MS) return undefined;
    const grows = last.lag >= this.limits.minLag && last.lag - first.lag >= this.limits.minGrowth;
    return grows ? { from: first.lag, to: last.lag, ms: last.atMs - first.atMs } : undefined;
  }
}
