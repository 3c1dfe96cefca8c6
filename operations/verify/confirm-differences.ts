/**
 * Turns candidates into confirmed differences. A difference counts when two comparisons find the same one, and
 * everything that was in flight at the first has arrived before the second. Concurrent writes are therefore never
 * reported.
 */
import type { EntityId } from "../../contracts/entity/document.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { comparedColumns } from "./compared-columns.ts";
import type { ComparisonTarget } from "./comparison-target.ts";
import { type ComparedEntity, compareEntity, type Difference, mayBeInFlight } from "./difference.ts";
import { readRows } from "./read-rows.ts";

/** Ids in one statement. */
const CHUNK_SIZE = 500;
/** Most comparisons of one entity. One that is written all the time is left to the next verification. */
const MAX_ROUNDS = 5;

/** The confirmed differences of one replica. */
export interface ConfirmResult {
  readonly differences: Difference[];
  /** True when the replica did not catch up in time. What it lacks may be in flight, and is not reported. */
  readonly behind: boolean;
  /** Number of entities that were written during every comparison, so that none of them says anything. */
  readonly unsettled: number;
}

/**
 * Compares `ids` until each is equal, confirmed as a difference, or compared {@link MAX_ROUNDS} times.
 *
 * @param timeoutMs how long the replica may take to apply what is committed when this is called.
 * @throws {Error} when a database or the log is unavailable.
 */
export async function confirmDifferences(
  source: Sql,
  target: ComparisonTarget,
  ids: readonly EntityId[],
  timeoutMs: number,
): Promise<ConfirmResult> {
  const differences: Difference[] = [];
  let previous = await findDifferences(source, target, ids);
  for (let round = 0; previous.size > 0 && round < MAX_ROUNDS; round++) {
    const isCaughtUp = await target.waitUntilCaughtUp(timeoutMs);
    const current = await findDifferences(source, target, [...previous.keys()]);
    const changed = new Map<EntityId, ObservedDifference>();
    for (const [id, observed] of current) {
      if (!isCaughtUp && mayBeInFlight(observed.compared)) continue;
      if (isSame(previous.get(id)!, observed)) differences.push(observed.difference);
      else changed.set(id, observed);
    }
    if (!isCaughtUp) return { differences, behind: true, unsettled: 0 };
    previous = changed;
  }
  return { differences, behind: false, unsettled: previous.size };
}

interface ObservedDifference {
  readonly compared: ComparedEntity;
  readonly difference: Difference;
}

const isSame = (a: ObservedDifference, b: ObservedDifference): boolean =>
  a.difference.kind === b.difference.kind && a.compared.sourceVersion === b.compared.sourceVersion;

/** Which of the ids differ by content at this moment, also those whose events are in flight. */
export async function findDifferences(
  source: Sql,
  target: ComparisonTarget,
  ids: readonly EntityId[],
): Promise<Map<EntityId, ObservedDifference>> {
  const observed = new Map<EntityId, ObservedDifference>();
  const { members } = await comparedColumns(source, target);
  const { entity, replica } = target;
  for (let i = 0; i < ids.length; i += CHUNK_SIZE)
    for (const one of await readRows(source, target, ids.slice(i, i + CHUNK_SIZE))) {
      const difference = compareEntity({ entity, replica, members }, one);
      if (difference) observed.set(one.id, { compared: one, difference });
    }
  return observed;
}
