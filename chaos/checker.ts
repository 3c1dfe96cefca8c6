/** What a checker is: an independent judge of one promise, after a run. */
import type { PlantedRecord } from "./fault.ts";
import type { Operation } from "./history.ts";
import type { AtRest } from "./rest/at-rest.ts";
import type { System } from "./system.ts";

/** A promise that was broken. */
export interface Violation {
  /** `P1` to `P14`. */
  readonly promise: string;
  /**
   * The smallest counterexample as one sentence, with entity, hop, versions and times: `catalog answered version 3 of
   * 0192… at 12.4 s (cache), after it had answered version 5 at 12.1 s`.
   */
  readonly sentence: string;
  /** The operations that the sentence is about, in order of time. */
  readonly operations: readonly Operation[];
}

/** A fault of the run, with the times when it began and ended. */
export interface InjectedFault {
  readonly fault: string;
  readonly subject: string;
  /** Milliseconds since the start of the run. */
  readonly start: number;
  readonly end: number;
  /** Conditions of which one must be shown while the fault lasts. */
  readonly shows?: readonly string[];
}

/** What the run left behind. The system is quiet: no writes, every fault ended, replicas in step or given up on. */
export interface Run {
  readonly system: Pick<System, "kind" | "project">;
  readonly operations: readonly Operation[];
  readonly faults: readonly InjectedFault[];
  readonly planted: readonly PlantedRecord[];
  /** What `lockstep status` showed, about every second, until the end. */
  readonly statuses: readonly { readonly at: number; readonly conditions: readonly string[] }[];
  /** Number of rows of the source that belong to each replica, and of rows in the replica, about every second. */
  readonly rowCounts: readonly RowCount[];
  /** When the last fault had ended and the last write was answered, in milliseconds since the start of the run. */
  readonly quietAt: number;
  /** When all copies were equal after that; undefined: not within the limit. */
  readonly inStepAt: number | undefined;
  readonly atRest: AtRest;
}

/** Numbers of rows of one moment. */
export interface RowCount {
  readonly at: number;
  readonly replica: string;
  readonly expected: number;
  readonly actual: number;
}

/** Judges one promise. */
export interface Checker {
  /** Stable name, in kebab-case. */
  readonly name: string;
  readonly promises: readonly string[];
  /** What the checker proves, as one sentence. docs/operate/chaos.md shows it. */
  readonly proves: string;
  /** What it cannot see. */
  readonly cannotSee: string;
  check(run: Run): readonly Violation[];
}

/** Conditions that may be present after a run: they wait for an operator, or are no obstacle. */
export const lastingConditions: readonly string[] = ["dead-letters-open", "not-verified", "verification-stale"];
