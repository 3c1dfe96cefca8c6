/** Random numbers that a seed decides: one seed gives one sequence, on every machine. */
import type { Random } from "../../chaos/random.ts";

/** Mulberry32: 32 bits of state, some nanoseconds per number. Good enough to choose faults, and nothing else. */
export class SeededRandom implements Random {
  private state: number;

  constructor(seed: number) {
    this.state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
  }

  /** A number from 0 (inclusive) to 1 (exclusive). */
  readonly number = (): number => {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };

  int(min: number, max: number): number {
    return min + Math.floor(this.number() * (max - min + 1));
  }

  chance(p: number): boolean {
    return this.number() < p;
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError("there is nothing to pick from");
    return list[this.int(0, list.length - 1)]!;
  }

  fork(name: string): SeededRandom {
    return new SeededRandom(this.state ^ Bun.hash.crc32(name));
  }

  /** A UUID of version 4. */
  uuid(): string {
    const hex = Array.from({ length: 4 }, () => this.int(0, 0xffffffff).toString(16).padStart(8, "0")).join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  }
}
