/** How fast counters rise, per second, over the last few looks. Pure but for its own memory. */

const LOOKS = 4;

interface Look {
  readonly atMs: number;
  readonly values: ReadonlyMap<string, number>;
}

export class Rates {
  private readonly looks: Look[] = [];

  /** @param nowMs of a clock that only rises. */
  look(values: ReadonlyMap<string, number>, nowMs: number): void {
    this.looks.push({ atMs: nowMs, values });
    if (this.looks.length > LOOKS) this.looks.shift();
  }

  /** Per second; null before the second look, and for a counter that was not there at the first one. */
  of(name: string): number | null {
    const first = this.looks[0];
    const last = this.looks.at(-1);
    const [from, to] = [first?.values.get(name), last?.values.get(name)];
    if (!first || !last || from === undefined || to === undefined || last.atMs <= first.atMs) return null;
    // Below zero: it was made anew.
    return Math.max(0, ((to - from) / (last.atMs - first.atMs)) * 1_000);
  }
}
