/** All mutants, by room. */
import type { Mutant } from "./mutant.ts";

/** Every mutant of the product that tests, chaos or the simulation must notice. */
export const mutants: readonly Mutant[] = [];
