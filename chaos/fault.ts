/** What a fault is: something that happens to a running system, and that the promises must survive. */
import type { ConditionName } from "../contracts/conditions.ts";
import type { Random } from "./random.ts";
import type { System } from "./system.ts";

/** A record that a fault has written into a topic, so that checkers know what it must lead to. */
export interface PlantedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** `poison` must become one dead letter. `repeated` and `older` must change nothing. */
  readonly kind: "poison" | "repeated" | "older";
  /** Key of the record as text. */
  readonly key: string;
}

/** What {@link Fault.inject} gets. */
export interface FaultContext {
  readonly system: System;
  /** One of {@link Fault.subjects}. */
  readonly subject: string;
  /** For every choice that the fault makes, so that a seed repeats it. */
  readonly random: Random;
  /** Ids of entities that clients have created, the newest last. */
  readonly ids: () => readonly string[];
  /** Says that the fault has written a record into a topic. */
  readonly planted: (record: PlantedRecord) => void;
}

/** One kind of fault. */
export interface Fault {
  /** Stable name for `--faults` and schedules, in kebab-case. */
  readonly name: string;
  /** What happens, as one sentence. docs/operate/chaos.md and `--help` show it. */
  readonly summary: string;
  /** Shortest and longest duration in ms. Both are 0 when the fault is one moment. */
  readonly lastsMs: readonly [min: number, max: number];
  /** True: loses data that the system cannot have elsewhere, or stops it until somebody acts. Only on demand on `own`. */
  readonly destroys?: boolean;
  /** Conditions of which one must be shown when the fault lasts ten seconds or more (P14). */
  readonly shows?: readonly ConditionName[] | ((subject: string) => readonly ConditionName[] | undefined);
  /** What the fault can act on in this system, in a stable order. Empty: it is not possible there. */
  subjects(system: System): readonly string[];
  /**
   * Causes the fault.
   *
   * @returns ends it, and resolves when whatever the fault stopped is running again.
   * @throws {Error} when it could not be caused. The run then counts it as not injected.
   */
  inject(context: FaultContext): Promise<() => Promise<void>>;
}
