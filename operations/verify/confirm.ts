/**
 * From suspicion to certainty: a difference counts when it is the same twice, with everything that was on its way having arrived in
 * between. So nothing is reported that is merely in flight, whatever is written meanwhile.
 */
import type { EntityDeclaration, EntityId, ReplicaDeclaration } from "../../contracts/entity/entity.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import type { Copy } from "./copy.ts";
import { type ComparedEntity, type Difference, differenceOf, mayBeUnderWay } from "./difference.ts";
import { readRows } from "./read-rows.ts";

/** Ids that are looked at in one statement. */
const CHUNK = 500;
/** An entity that is written all the while is looked at so often, and then left to the next verification. */
const ROUNDS = 5;

export interface Confirmed {
  readonly differences: Difference[];
  /** The copy had not heard of everything in time: what it lacks may still be on its way, and is not reported. */
  readonly behind: boolean;
}

/** @param timeoutMs how long the copy may take to hear of what was committed when this is called. */
export async function confirm(
  deps: { readonly source: Sql; readonly copy: Copy },
  entity: EntityDeclaration,
  declared: ReplicaDeclaration,
  ids: readonly EntityId[],
  timeoutMs: number,
): Promise<Confirmed> {
  const differences: Difference[] = [];
  let before = await differing(deps, entity, declared, ids);
  for (let round = 0; before.size > 0 && round < ROUNDS; round++) {
    const arrived = await deps.copy.arrived(timeoutMs);
    const now = await differing(deps, entity, declared, [...before.keys()]);
    const again = new Map<EntityId, Judged>();
    for (const [id, judged] of now) {
      const same = before.get(id)!;
      if (!arrived && mayBeUnderWay(judged.found)) continue;
      if (judged.difference.kind === same.difference.kind && judged.found.sourceVersion === same.found.sourceVersion)
        differences.push(judged.difference);
      else again.set(id, judged);
    }
    if (!arrived) return { differences, behind: true };
    before = again;
  }
  return { differences, behind: false };
}

interface Judged {
  readonly found: ComparedEntity;
  readonly difference: Difference;
}

/** Those of the ids that differ by content at this moment, be it only since something is on its way. */
export async function differing(
  { source, copy }: { readonly source: Sql; readonly copy: Copy },
  entity: EntityDeclaration,
  declared: ReplicaDeclaration,
  ids: readonly EntityId[],
): Promise<Map<EntityId, Judged>> {
  const judged = new Map<EntityId, Judged>();
  for (let i = 0; i < ids.length; i += CHUNK)
    for (const found of await readRows(source, copy, entity, ids.slice(i, i + CHUNK))) {
      const difference = differenceOf(entity, declared, found);
      if (difference) judged.set(found.id, { found, difference });
    }
  return judged;
}
