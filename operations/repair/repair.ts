/** Sends again exactly what differs, and looks at it again when it has arrived. */
import type { Redis } from "ioredis";
import { entities } from "../../contracts/entities/index.ts";
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import type { Log } from "../../kafka/log.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import { waitForOutbox } from "../outbox-backpressure.ts";
import { compareCacheEntries } from "../verify/compare-cache.ts";
import { liveTarget } from "../verify/comparison-target.ts";
import { confirmDifferences } from "../verify/confirm-differences.ts";
import { type Difference, isCacheDifference } from "../verify/difference.ts";

const CHUNK = 500;
/** Changes that may wait in the outbox before more are sent: what clients write comes after them. */
const MOST_WAITING = 1_000;

/** Sends the present state of these once more. @returns how many were sent: fewer when `signal` is aborted. */
export async function resendDifferences(
  source: Sql,
  differences: readonly Difference[],
  signal: AbortSignal,
  onSent: (sent: number) => void,
): Promise<number> {
  let sent = 0;
  for (const [entity, of] of Map.groupBy(differences, (difference) => difference.entity)) {
    // One entity may differ in several replicas: it is sent once, and reaches all.
    const atLeast = new Map<EntityId, number>();
    for (const difference of of)
      atLeast.set(difference.id, Math.max(atLeast.get(difference.id) ?? 1, knownVersion(difference)));
    const outrun = new Set(of.filter(isAhead).map(({ id }) => id));
    const all = [...atLeast];
    for (let i = 0; i < all.length; i += CHUNK) {
      await waitForOutbox(source, MOST_WAITING, signal);
      if (signal.aborted) return sent;
      const chunk = all.slice(i, i + CHUNK);
      const [ahead, versions] = listsOf(chunk.filter(([id]) => outrun.has(id)));
      if (ahead !== "{}") await source`select lockstep.overtake(${entity}, ${ahead}::uuid[], ${versions}::bigint[])`;
      const [ids, least] = listsOf(chunk);
      await source`select lockstep.resend(${entity}, ${ids}::uuid[], ${least}::bigint[])`;
      sent += chunk.length;
      onSent(sent);
    }
  }
  return sent;
}

const listsOf = (pairs: readonly (readonly [EntityId, number])[]): [string, string] => [
  listText(pairs.map(([id]) => id)),
  listText(pairs.map(([, version]) => version)),
];

/** The highest version of the entity that the replica may go by. */
const knownVersion = (difference: Difference): number =>
  Math.max(difference.heardVersion ?? 0, isCacheDifference(difference) ? 0 : (difference.replicaVersion ?? 0));

/** The replica has seen a version that the source has not, or no more. */
const isAhead = (difference: Difference): boolean =>
  difference.sourceVersion !== null && knownVersion(difference) > difference.sourceVersion;

export type RemainingDifference = Difference & {
  /** Why it still differs, and what to do, for people. */
  readonly why: string;
};

interface RepairDeps {
  readonly source: Sql;
  readonly replica: (name: string) => Sql;
  readonly log: Log;
  readonly redis: Redis | undefined;
}

/** What still differs of these, once everything has arrived; all of them when it has not in time. */
export async function findRemaining(
  deps: RepairDeps,
  differences: readonly Difference[],
  timeoutMs: number,
): Promise<RemainingDifference[]> {
  const left: RemainingDifference[] = [];
  for (const entity of entities)
    for (const declared of entity.replicas) {
      const of = differences.filter((d) => d.entity === entity.name && d.replica === declared.name);
      if (of.length > 0) left.push(...(await leftOf(deps, entity, declared, of, timeoutMs)));
    }
  return left;
}

async function leftOf(
  deps: RepairDeps,
  entity: EntityDeclaration,
  declared: ReplicaDeclaration,
  of: readonly Difference[],
  timeoutMs: number,
): Promise<RemainingDifference[]> {
  const { source, log } = deps;
  const copy = liveTarget({ source, replica: deps.replica(declared.name), log }, entity, declared);
  const late = `it was sent, and had not arrived within ${timeoutMs / 1_000} s: see lockstep status, and verify again later`;
  if (!(await copy.waitUntilCaughtUp(timeoutMs))) return of.map((d) => ({ ...d, why: late }));
  const idsOf = (those: readonly Difference[]) => those.map(({ id }) => id);
  const { differences } = await confirmDifferences({ source, copy }, entity, declared, idsOf(of), timeoutMs);
  const { redis } = deps;
  const cached = redis
    ? await compareCacheEntries({ replica: copy.sql, redis }, entity, declared, idsOf(of.filter(isCacheDifference)))
    : [];
  const refused = "it was sent and not applied: look for it in lockstep dead-letters list";
  const kept = "the replica has not stored it anew: is Redis well?";
  return [...differences.map((d) => ({ ...d, why: refused })), ...cached.map((d) => ({ ...d, why: kept }))];
}
