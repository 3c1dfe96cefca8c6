/** What a resync has proved, and which conditions it may therefore end. Pure. */
import type { RepairResult } from "../repair/verify-and-repair.ts";
import { verdictOf } from "../verify/verify.ts";

/** The end of a resync. */
interface ResyncEnd {
  /** False when only some of the entities were sent. */
  readonly isOfEveryEntity: boolean;
  /** False when only one replica was compared. */
  readonly isOfEveryReplica: boolean;
  /** Topics that have lost records while the resync ran. */
  readonly lostAgain: readonly string[];
  readonly repair: Pick<RepairResult, "results" | "remaining">;
}

/** What {@link outcomeOf} concludes. */
export interface ResyncOutcome {
  /** True when all compared replicas equal the source. */
  readonly equal: boolean;
  /** True when the log accounts for every row of the compared replicas: their marks end. */
  readonly endsMarks: boolean;
  /** True when this holds for all replicas: the losses that relay and stream have found end, too. */
  readonly endsLosses: boolean;
}

/** Concludes from what was sent, lost, repaired and compared. */
export function outcomeOf({ isOfEveryEntity, isOfEveryReplica, lostAgain, repair }: ResyncEnd): ResyncOutcome {
  const isUnchanged = lostAgain.length === 0 && repair.remaining.length === 0;
  const verified = repair.results.map((result) => ({ ...result, differences: [] })); // they are repaired or remain
  const equal = isUnchanged && verified.every((result) => verdictOf(result) === "equal");
  // Rows without their cache are enough: the log accounts for them.
  const endsMarks = isOfEveryEntity && isUnchanged && verified.every((one) => !one.behind && one.unknown === null);
  return { equal, endsMarks, endsLosses: endsMarks && isOfEveryReplica };
}
