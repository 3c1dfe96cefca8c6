/** All checkers, in the order in which docs/operate/chaos.md shows them. */
import type { Checker, Run, Violation } from "../checker.ts";
import { acknowledged } from "./acknowledged.ts";
import { deadLetters } from "./dead-letters.ts";
import { equality } from "./equality.ts";
import { freshness } from "./freshness.ts";
import { health } from "./health.ts";
import { idempotency } from "./idempotency.ts";
import { members } from "./members.ts";
import { reads } from "./reads.ts";
import { rows } from "./rows.ts";
import { topics } from "./topics.ts";
import { versions } from "./versions.ts";

/** Every checker. */
export const checkers: readonly Checker[] = [
  acknowledged,
  versions,
  idempotency,
  topics,
  reads,
  members,
  freshness,
  deadLetters,
  rows,
  equality,
  health,
];

/** A violation, and the checker that found it. */
export interface FoundViolation extends Violation {
  readonly checker: string;
}

/** Judges a run. */
export const judge = (run: Run): FoundViolation[] =>
  checkers.flatMap((checker) => checker.check(run).map((violation) => ({ ...violation, checker: checker.name })));
