/**
 * Step *reduce*: applies the newest event of each entity. When the table rejects it, applies an older event of the
 * batch, because an outdated row is better than a missing one.
 */
import type { EntityId } from "../../contracts/entity/document.ts";
import type { RejectedRecord } from "../dead-letters.ts";
import type { ReceivedEvent } from "../decode.ts";
import type { ApplyObserver } from "./apply-observer.ts";
import { olderThanRejected, reduce } from "./reduce.ts";

/** Rows per statement: 2,000 take about 80 ms, or up to 1.6 s with many rejections. Larger ones were not faster. */
const MAX_ROWS = 2_000;
/** Older events of an entity to try, one after the other, when its newest event is rejected. */
const MAX_OLDER_EVENTS = 3;

/** An event that the table rejected. */
export interface RejectedEvent extends RejectedRecord {
  readonly event: ReceivedEvent;
}

/** All events of a batch by entity. */
export type EventsById = ReadonlyMap<EntityId, readonly ReceivedEvent[]>;

/** Applies changes: the newest event of each entity, sorted by id. @returns the rejected ones. */
type ApplyRows = (changes: readonly ReceivedEvent[], byId: EventsById) => Promise<RejectedEvent[]>;

/**
 * Applies events through `applyRows`.
 *
 * @returns the events that the table rejected. An older event that was not tried is not among them: the dead letter of
 * the newer event stands for it.
 * @throws whatever `applyRows` throws.
 */
export async function applyNewest(
  events: readonly ReceivedEvent[],
  applyRows: ApplyRows,
  observer: Pick<ApplyObserver, "onSkipped">,
): Promise<RejectedEvent[]> {
  const rejected: RejectedEvent[] = [];
  let pending = events;
  for (let round = 0; pending.length > 0 && round <= MAX_OLDER_EVENTS; round++) {
    const changes = reduce(pending);
    const byId = Map.groupBy(pending, ({ id }) => id);
    const rejectedNow: RejectedEvent[] = [];
    for (let start = 0; start < changes.length; start += MAX_ROWS)
      rejectedNow.push(...(await applyRows(changes.slice(start, start + MAX_ROWS), byId)));
    rejected.push(...rejectedNow);
    const { older, duplicates } = olderThanRejected(
      rejectedNow.map(({ event }) => event),
      byId,
    );
    observer.onSkipped("duplicate", duplicates);
    pending = older;
  }
  observer.onSkipped("stale", pending.length);
  return rejected;
}

/** Divides rejected events among the submissions that they came from. */
export function rejectedPerSubmission(
  rejected: readonly RejectedEvent[],
  submissions: readonly (readonly ReceivedEvent[])[],
): RejectedEvent[][] {
  if (rejected.length === 0) return submissions.map(() => []);
  const byEvent = new Map(rejected.map((one) => [one.event, one]));
  return submissions.map((events) => events.flatMap((event) => byEvent.get(event) ?? []));
}
