/** What a checker is: an independent judge of one promise, after a run. */
import type { PlantedRecord } from "./fault.ts";
import type { Operation } from "./history.ts";
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
}

/** What the run left behind. The system is quiet: no writes, every fault ended, replicas in step or given up on. */
export interface Run {
  readonly system: System;
  readonly operations: readonly Operation[];
  readonly faults: readonly InjectedFault[];
  readonly planted: readonly PlantedRecord[];
  /** What `lockstep status` showed, twice a second. */
  readonly statuses: readonly { readonly at: number; readonly conditions: readonly string[] }[];
  /** Milliseconds from the end of the last fault until all copies were equal; undefined when they never were. */
  readonly inStepAfterMs: number | undefined;
}

/** Judges one promise. */
export interface Checker {
  readonly promises: readonly string[];
  /** What the checker proves, as one sentence. docs/operate/chaos.md shows it. */
  readonly proves: string;
  /** What it cannot see. */
  readonly cannotSee: string;
  check(run: Run): Promise<readonly Violation[]> | readonly Violation[];
}
