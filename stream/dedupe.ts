/** Step 2 of the stream: decides whether an event is newer than what the stream has seen of its entity. Pure. */
import type { Version } from "../contracts/entity/document.ts";

/** `duplicate`: the newest version once more. `stale`: older than the newest version. */
export type Freshness = "fresh" | "duplicate" | "stale";

/**
 * Compares an event's version with the newest version of its entity. The source counts versions per entity, so one
 * number per entity is enough. Gaps are allowed, because each event carries the whole state.
 *
 * @param newest undefined when the entity is new to the stream.
 * @param resend true when an operator requested the event. Its version is then fresh although it is the newest one,
 * because a replica may have lost it.
 */
export function freshness(version: Version, newest: Version | undefined, resend = false): Freshness {
  if (newest === undefined || version > newest) return "fresh";
  if (version < newest) return "stale";
  return resend ? "fresh" : "duplicate";
}
