/** How the memory of a stack's processes goes during a long run. */
import { memoryMbOf, type Watched } from "../bench/processes.ts";

const EVERY_MS = 10_000;

export interface MemoryCourse {
  readonly name: string;
  /** Median of the samples in the third and in the last quarter of the run, in MB. */
  readonly thirdQuarterMb: number;
  readonly lastQuarterMb: number;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Samples until it is stopped. Linux only. */
export class MemoryWatch {
  private readonly samples = new Map<string, number[]>();
  private readonly timer: Timer;

  constructor(private readonly watched: readonly Watched[]) {
    this.timer = setInterval(() => this.sample(), EVERY_MS);
  }

  /** Warming up fills the first half: growth is judged in the second. */
  stop(): MemoryCourse[] {
    clearInterval(this.timer);
    return [...this.samples].map(([name, all]) => {
      const quarter = (n: number) =>
        median(all.slice(Math.floor((all.length * n) / 4), Math.floor((all.length * (n + 1)) / 4)));
      return { name, thirdQuarterMb: quarter(2), lastQuarterMb: quarter(3) };
    });
  }

  private sample(): void {
    for (const { name, pid } of this.watched)
      this.samples.set(name, [...(this.samples.get(name) ?? []), memoryMbOf(pid)]);
  }
}
