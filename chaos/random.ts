/** Seeded random numbers: one seed gives one sequence, on every machine. */
import { createHash } from "node:crypto";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** A sequence of choices. */
export interface Random {
  /** A whole number from `min` to `max`, both included. */
  int(min: number, max: number): number;
  /** True with the probability `p`. */
  chance(p: number): boolean;
  /** One of the list. @throws {RangeError} when the list is empty. */
  pick<T>(list: readonly T[]): T;
  /** A sequence of its own, so that one consumer's number of draws does not change another's choices. */
  fork(name: string): Random;
}

/** Steps of {@link Random.chance}. */
const STEPS = 1_000_000;

/** The sequence of a seed. Any text is a seed. */
export function seededRandom(seed: string): Random {
  const generator = xoroshiro128plus(numberOf(seed));
  const int = (min: number, max: number): number => uniformInt(generator, min, max);
  return {
    int,
    chance: (p) => int(1, STEPS) <= p * STEPS,
    pick: (list) => {
      if (list.length === 0) throw new RangeError("there is nothing to choose from");
      return list[int(0, list.length - 1)]!;
    },
    fork: (name) => seededRandom(`${seed}/${name}`),
  };
}

/** The seed of run `n` of a command, from 1. Run 1 has the command's own seed. */
export const seedOfRun = (seed: number, n: number): number => (n === 1 ? seed : numberOf(`${seed}/run ${n}`) >>> 1);

const numberOf = (text: string): number => createHash("sha256").update(text).digest().readInt32BE() >>> 0;
