/** The states of a replica's cache, as its readiness report names them and the console reads them. */

/**
 * - on: reads by id use the cache
 * - off: Redis is available, and the cache is off for a few seconds after a fault
 * - unavailable: Redis does not respond
 * - not-configured: the replica has no Redis
 */
export type CacheHealth = "on" | "off" | "unavailable" | "not-configured";

/** The note of the readiness check `cache` in each state. */
export const cacheNotes: Readonly<Record<CacheHealth, string>> = {
  on: "on",
  off: "temporarily off: every read comes from PostgreSQL",
  unavailable: "Redis is unavailable: every read comes from PostgreSQL",
  "not-configured": "not configured: every read comes from PostgreSQL",
};

/** The state that a note names. Undefined for the note of a replica of another version, which may word it differently. */
export const cacheHealthOf = (note: string): CacheHealth | undefined =>
  (Object.keys(cacheNotes) as CacheHealth[]).find((health) => cacheNotes[health] === note);
