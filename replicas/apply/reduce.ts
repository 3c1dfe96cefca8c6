/** Decides what a batch of events means for each entity. Pure. Only the newest event counts: it has the whole state. */
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import type { RoutedEvent } from "../../contracts/routed-event.ts";

/** Effect of one event: it was new, it repeated a known version, or it was older than a known version. */
export type Outcome = "applied" | "duplicate" | "stale";

type Versioned = Pick<RoutedEvent, "id" | "version">;

/**
 * Keeps the newest event of each entity, sorted by id: appliers that lock rows in the same order cannot deadlock. Of
 * two events with the same version a resent one is kept, because it also replaces the same version in PostgreSQL.
 */
export function reduce<E extends Versioned & Pick<RoutedEvent, "resend">>(events: readonly E[]): E[] {
  const newest = new Map<EntityId, E>();
  for (const event of events) {
    const seen = newest.get(event.id);
    if (!seen || event.version > seen.version || (event.version === seen.version && event.resend))
      newest.set(event.id, event);
  }
  return [...newest.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/**
 * Finds what to try next after the newest event of some entities was rejected.
 *
 * @param byId all events of the batch.
 * @returns the older events of these entities, and the number of other events with the rejected version.
 */
export function olderThanRejected<E extends Versioned>(
  rejected: readonly E[],
  byId: ReadonlyMap<EntityId, readonly E[]>,
): { older: E[]; duplicates: number } {
  const older: E[] = [];
  let duplicates = 0;
  for (const newest of rejected)
    for (const event of byId.get(newest.id) ?? [])
      if (event.version < newest.version) older.push(event);
      else if (event !== newest) duplicates++;
  return { older, duplicates };
}

/**
 * Returns the outcome of each event of a batch, in the batch's order. An event that a newer one of the same batch
 * replaced counts as applied when it came first, and as stale when it came later.
 *
 * @param unchanged entities whose newest event in the batch was not newer than PostgreSQL's version, with that version.
 */
export function outcomes(events: readonly Versioned[], unchanged: ReadonlyMap<EntityId, Version>): Outcome[] {
  const seen = new Map(unchanged);
  return events.map(({ id, version }) => {
    const known = seen.get(id);
    if (known === undefined || version > known) {
      seen.set(id, version);
      return "applied";
    }
    return version === known ? "duplicate" : "stale";
  });
}
