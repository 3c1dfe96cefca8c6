/** All checkers, in the order in which docs/operate/chaos.md shows them. */
import type { Checker, Run, Violation } from "../checker.ts";
import { equality } from "./equality.ts";

/** Every checker. */
export const checkers: readonly Checker[] = [equality];

/** A violation, and the checker that found it. */
export interface FoundViolation extends Violation {
  readonly checker: string;
}

/** Judges a run. */
export const judge = (run: Run): FoundViolation[] =>
  checkers.flatMap((checker) => checker.check(run).map((violation) => ({ ...violation, checker: checker.name })));
