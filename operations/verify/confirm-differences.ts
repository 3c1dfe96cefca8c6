/**
 * From suspicion to certainty: a difference counts when it is the same twice, with everything that was on its way having arrived in
 * between. So nothing is reported that is merely in flight, whatever is written meanwhile.
 */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import type { ComparisonTarget } from "./comparison-target.ts";
import { type ComparedEntity, compareEntity, type Difference, mayBeInFlight } from "./difference.ts";
import { readRows } from "./read-rows.ts";

/** Ids that are looked at in one statement. */
const CHUNK = 500;
/** An entity that is written all the while is looked at so often, and then left to the next verification. */
const ROUNDS = 5;

export interface ConfirmResult {
  readonly differences: Difference[];
  /** The copy had not heard of everything in time: what it lacks may still be on its way, and is not reported. */
  readonly behind: boolean;
}

/** @param timeoutMs how long the copy may take to hear of what was committed when this is called. */
export async function confirmDifferences(
  deps: { readonly source: Sql; readonly copy: ComparisonTarget },
  entity: EntityDeclaration,
  declared: ReplicaDeclaration,
  ids: readonly EntityId[],
  timeoutMs: number,
): Promise<ConfirmResult> {
  const differences: Difference[] = [];
  let before = await findDifferences(deps, entity, declared, ids);
  for (let round = 0; before.size > 0 && round < ROUNDS; round++) {
    const arrived = await deps.copy.waitUntilCaughtUp(timeoutMs);
    const now = await findDifferences(deps, entity, declared, [...before.keys()]);
    const again = new Map<EntityId, ObservedDifference>();
    for (const [id, judged] of now) {
      const same = before.get(id)!;
      if (!arrived && mayBeInFlight(judged.found)) continue;
      if (judged.difference.kind === same.difference.kind && judged.found.sourceVersion === same.found.sourceVersion)
        differences.push(judged.difference);
      else again.set(id, judged);
    }
    if (!arrived) return { differences, behind: true };
    before = again;
  }
  return { differences, behind: false };
}

interface ObservedDifference {
  readonly found: ComparedEntity;
  readonly difference: Difference;
}

/** Those of the ids that differ by content at this moment, be it only since something is on its way. */
export async function findDifferences(
  { source, copy }: { readonly source: Sql; readonly copy: ComparisonTarget },
  entity: EntityDeclaration,
  declared: ReplicaDeclaration,
  ids: readonly EntityId[],
): Promise<Map<EntityId, ObservedDifference>> {
  const judged = new Map<EntityId, ObservedDifference>();
  for (let i = 0; i < ids.length; i += CHUNK)
    for (const found of await readRows(source, copy, entity, ids.slice(i, i + CHUNK))) {
      const difference = compareEntity(entity, declared, found);
      if (difference) judged.set(found.id, { found, difference });
    }
  return judged;
}
