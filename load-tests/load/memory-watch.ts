/** Samples the memory of a stack's processes during a long run. */
import { memoryMbOf, type WatchedProcess } from "../bench/processes.ts";

const SAMPLE_MS = 10_000;

/** Memory of one process in the second half of a run. */
export interface MemoryTrend {
  readonly name: string;
  /** Median of the samples in the third quarter of the run. */
  readonly thirdQuarterMb: number;
  /** Median of the samples in the last quarter. */
  readonly lastQuarterMb: number;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Samples every 10 s until {@link MemoryWatch.stop}. Linux only. */
export class MemoryWatch {
  private readonly samples = new Map<string, number[]>();
  private readonly timer: Timer;

  constructor(private readonly watched: readonly WatchedProcess[]) {
    this.timer = setInterval(() => this.sample(), SAMPLE_MS);
  }

  /** Stops sampling. Only the second half of the run counts, because the first half includes the warm-up. */
  stop(): MemoryTrend[] {
    clearInterval(this.timer);
    return [...this.samples].map(([name, samples]) => {
      const quarter = (n: number) =>
        median(samples.slice(Math.floor((samples.length * n) / 4), Math.floor((samples.length * (n + 1)) / 4)));
      return { name, thirdQuarterMb: quarter(2), lastQuarterMb: quarter(3) };
    });
  }

  private sample(): void {
    for (const process of this.watched)
      this.samples.set(process.name, [...(this.samples.get(process.name) ?? []), memoryMbOf(process)]);
  }
}
