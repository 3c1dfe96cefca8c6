/** Computes how fast counters rise, from their last four samples. In memory only. */

const MAX_SAMPLES = 4;

interface Sample {
  readonly atMs: number;
  readonly values: ReadonlyMap<string, number>;
}

/** Rates of any number of counters, each by its name. */
export class CounterRates {
  private readonly samples: Sample[] = [];

  /** Adds the values of all counters at one time. @param nowMs time of a monotonic clock. */
  addSample(values: ReadonlyMap<string, number>, nowMs: number): void {
    this.samples.push({ atMs: nowMs, values });
    if (this.samples.length > MAX_SAMPLES) this.samples.shift();
  }

  /** Increase per second, 0 or more; null until two samples have the counter. */
  perSecond(name: string): number | null {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    const [from, to] = [first?.values.get(name), last?.values.get(name)];
    if (!first || !last || from === undefined || to === undefined || last.atMs <= first.atMs) return null;
    // A counter that fell belongs to a topic that was created again.
    return Math.max(0, ((to - from) / (last.atMs - first.atMs)) * 1_000);
  }
}
