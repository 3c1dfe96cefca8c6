/** Seeded random numbers: one seed gives one sequence, on every machine. */

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
