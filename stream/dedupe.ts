/** Tells whether an event still says something new. Pure. */
import type { Version } from "../contracts/entity.ts";

export type Freshness = "fresh" | "duplicate" | "stale";

/** A source counts versions per entity, so one number is memory enough. A gap is fine: events carry the whole state. */
export function freshness(version: Version, newest: Version | undefined): Freshness {
  if (newest === undefined || version > newest) return "fresh";
  return version === newest ? "duplicate" : "stale";
}
