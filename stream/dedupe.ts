/** Tells whether an event still says something new. Pure. */
import type { Version } from "../contracts/entity/document.ts";

export type Freshness = "fresh" | "duplicate" | "stale";

/**
 * A source counts versions per entity, so one number is memory enough. A gap is fine: events carry the whole state.
 *
 * @param again the newest version shall count once more, since a replica may have lost it.
 */
export function freshness(version: Version, newest: Version | undefined, again = false): Freshness {
  if (newest === undefined || version > newest) return "fresh";
  if (version < newest) return "stale";
  return again ? "fresh" : "duplicate";
}
