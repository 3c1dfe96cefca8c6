/** Conditions of the last verification of each replica. Pure. */
import type { Project } from "../../contracts/project.ts";
import type { LastVerification } from "../verify/results.ts";
import { type ActiveCondition, activeCondition } from "./active-condition.ts";

/** A verification is stale after this many intervals, so one that was missed is no condition. */
const MAX_INTERVALS = 3;

/**
 * @param last all saved results.
 * @param everySeconds interval of the periodic verification; 0: it is off, and no result is ever stale.
 */
export function conditionsOfVerifications(
  last: readonly LastVerification[],
  { entities }: Pick<Project, "entities">,
  everySeconds: number,
  nowMs: number,
): readonly ActiveCondition[] {
  const maxAgeMs = everySeconds === 0 ? Number.POSITIVE_INFINITY : everySeconds * MAX_INTERVALS * 1_000;
  return entities.flatMap(({ name: entity, replicas }) =>
    replicas.flatMap(({ name: replica }) => {
      const result = last.find((one) => one.entity === entity && one.replica === replica);
      if (!result) return [activeCondition("not-verified", replica, `${entity} was never compared`)];
      return conditionsOf(result, maxAgeMs, nowMs);
    }),
  );
}

function conditionsOf(result: LastVerification, maxAgeMs: number, nowMs: number): readonly ActiveCondition[] {
  const { entity, replica, at, differing, behind } = result;
  const found: ActiveCondition[] = [];
  const counts = Object.entries(differing).map(([kind, count]) => `${count} ${kind}`);
  if (counts.length > 0)
    found.push(activeCondition("replica-differs", replica, `${entity}: ${counts.join(", ")}`, at.toISOString()));
  if (behind) {
    const problem = `the last verification of ${entity} ended while the replica was behind, so it is no proof`;
    found.push(activeCondition("not-verified", replica, problem, at.toISOString()));
  }
  const ageMs = nowMs - at.getTime();
  if (ageMs > maxAgeMs) {
    const problem = `${entity} was verified ${Math.round(ageMs / 1_000)} s ago`;
    found.push(
      activeCondition("verification-stale", replica, problem, new Date(at.getTime() + maxAgeMs).toISOString()),
    );
  }
  return found;
}
