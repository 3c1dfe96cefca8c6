/** Sends the entities that differ again, in their present state. */
import type { EntityId } from "../../contracts/entity/document.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import { waitForOutbox } from "../outbox-backpressure.ts";
import { type Difference, isCacheDifference } from "../verify/difference.ts";

/** Entities in one statement. */
const CHUNK_SIZE = 500;
/** Changes in the outbox above which the repair waits, so that clients' writes do not queue behind it. */
const MAX_OUTBOX_DEPTH = 1_000;

/**
 * Sends the present state of each entity once, however many replicas differ: one event reaches all of them. An entity
 * whose version in a replica is above the source's first gets a higher version, since replicas apply nothing older.
 *
 * @param onSent called after each statement with the number of entities sent so far.
 * @returns the number of entities sent; smaller when `signal` was aborted.
 * @throws {OutboxStuckError} when the outbox does not become shorter.
 * @throws {Error} when the source is unavailable.
 */
export async function resendDifferences(
  source: Sql,
  differences: readonly Difference[],
  signal: AbortSignal,
  onSent: (sent: number) => void,
): Promise<number> {
  let sent = 0;
  for (const [entity, group] of Map.groupBy(differences, (difference) => difference.entity)) {
    const minVersions = new Map<EntityId, number>();
    for (const difference of group)
      minVersions.set(difference.id, Math.max(minVersions.get(difference.id) ?? 1, replicaVersionOf(difference)));
    const aheadIds = new Set(group.filter(isReplicaAhead).map(({ id }) => id));
    const all = [...minVersions];
    for (let i = 0; i < all.length; i += CHUNK_SIZE) {
      await waitForOutbox(source, MAX_OUTBOX_DEPTH, signal);
      if (signal.aborted) return sent;
      const chunk = all.slice(i, i + CHUNK_SIZE);
      const ahead = listsOf(chunk.filter(([id]) => aheadIds.has(id)));
      if (ahead.ids !== "{}")
        await source`select lockstep.overtake(${entity}, ${ahead.ids}::text[], ${ahead.versions}::bigint[])`;
      const { ids, versions } = listsOf(chunk);
      await source`select lockstep.resend(${entity}, ${ids}::text[], ${versions}::bigint[])`;
      sent += chunk.length;
      onSent(sent);
    }
  }
  return sent;
}

const listsOf = (pairs: readonly (readonly [EntityId, number])[]): { ids: string; versions: string } => ({
  ids: listText(pairs.map(([id]) => id)),
  versions: listText(pairs.map(([, version]) => version)),
});

/** The highest version that the replica has of the entity; 0 for none. */
const replicaVersionOf = (difference: Difference): number =>
  Math.max(difference.heardVersion ?? 0, isCacheDifference(difference) ? 0 : (difference.replicaVersion ?? 0));

/** True when the replica's version is above the source's, as after a restore of the source. */
const isReplicaAhead = (difference: Difference): boolean =>
  difference.sourceVersion !== null && replicaVersionOf(difference) > difference.sourceVersion;
