/** A batch as one thing to do per entity. Events carry the whole state, so the newest of an entity stands for all of them. */
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import type { RoutedEvent } from "../../contracts/routed-event.ts";

export type Outcome = "applied" | "duplicate" | "stale";

/**
 * The newest event of each entity, in the order of ids: two appliers that lock rows in one order cannot deadlock. Of two with the
 * same version, which say the same, one that is sent again stays: it is applied whatever is there.
 */
export function reduce<E extends Pick<RoutedEvent, "id" | "version" | "resend">>(events: readonly E[]): E[] {
  const newest = new Map<EntityId, E>();
  for (const event of events) {
    const seen = newest.get(event.id);
    if (!seen || event.version > seen.version || (event.version === seen.version && event.resend))
      newest.set(event.id, event);
  }
  return [...newest.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/**
 * What became of each event of a batch, in its order. An event that a newer one of the same batch took the place of counts as
 * applied when it came first, as what it said was new; and as stale when it came later.
 *
 * @param unchanged versions that the database already had, of the entities for which the batch's newest event was not newer.
 */
export function outcomes(
  events: readonly Pick<RoutedEvent, "id" | "version">[],
  unchanged: ReadonlyMap<EntityId, Version>,
): Outcome[] {
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
