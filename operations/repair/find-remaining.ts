/** Verifies repaired entities again, once their events have arrived. */
import type { Redis } from "ioredis";
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import type { Log } from "../../kafka/log.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { compareCacheEntries } from "../verify/compare-cache.ts";
import { liveTarget } from "../verify/comparison-target.ts";
import { confirmDifferences } from "../verify/confirm-differences.ts";
import { type Difference, isCacheDifference } from "../verify/difference.ts";

/** A difference that the repair did not remove. */
export type RemainingDifference = Difference & {
  /** The reason and what to do, for people. */
  readonly why: string;
};

interface RepairDeps {
  readonly source: Sql;
  readonly replica: (name: string) => Sql;
  readonly entities: readonly EntityDeclaration[];
  readonly log: Log;
  /** Undefined: the cache is not compared. */
  readonly redis: Redis | undefined;
}

/**
 * Compares the entities of `differences` again.
 *
 * @param timeoutMs how long each replica may take to apply what was sent.
 * @returns the differences that remain; all differences of a replica that did not catch up in time.
 * @throws {Error} when a database, the log or Redis is unavailable.
 */
export async function findRemaining(
  deps: RepairDeps,
  differences: readonly Difference[],
  timeoutMs: number,
): Promise<RemainingDifference[]> {
  const remaining: RemainingDifference[] = [];
  for (const entity of deps.entities)
    for (const replica of entity.replicas) {
      const group = differences.filter((d) => d.entity === entity.name && d.replica === replica.name);
      if (group.length > 0) remaining.push(...(await remainingOf(deps, entity, replica, group, timeoutMs)));
    }
  return remaining;
}

async function remainingOf(
  deps: RepairDeps,
  entity: EntityDeclaration,
  replica: ReplicaDeclaration,
  group: readonly Difference[],
  timeoutMs: number,
): Promise<RemainingDifference[]> {
  const { source, log, redis } = deps;
  const target = liveTarget({ source, replica: deps.replica(replica.name), log }, entity, replica);
  if (!(await target.waitUntilCaughtUp(timeoutMs)))
    return withReason(
      group,
      `it was sent and has not arrived within ${timeoutMs / 1_000} s: see lockstep status, and verify again later`,
    );
  const { differences } = await confirmDifferences(source, target, idsOf(group), timeoutMs);
  const cacheIds = idsOf(group.filter(isCacheDifference));
  const inCache = redis ? await compareCacheEntries({ source, tables: target, redis }, cacheIds) : [];
  return [
    ...withReason(differences.filter(isNotApplied), NOT_APPLIED),
    ...withReason(
      differences.filter((difference) => !isNotApplied(difference)),
      STILL_DIFFERENT,
    ),
    ...withReason(inCache, "the replica has not replaced the cache entry: check Redis, then repair again"),
  ];
}

const NOT_APPLIED = "it was sent and not applied: look for it in lockstep dead-letters list";
const STILL_DIFFERENT =
  "it was sent again and differs as before, so that sending it once more does not help: if lockstep dead-letters list " +
  "does not have it, a projection of the declaration, a mapping, a trigger or a column's type in the replica changes it";

/** True when the replica has not recorded the source's version. */
const isNotApplied = ({ heardVersion, sourceVersion }: Difference): boolean => heardVersion !== sourceVersion;

const idsOf = (differences: readonly Difference[]): EntityId[] => differences.map(({ id }) => id);

const withReason = (differences: readonly Difference[], why: string): RemainingDifference[] =>
  differences.map((difference) => ({ ...difference, why }));
