/** What is wrong with the records of a topic by themselves. Pure. */
import type { SeenRecord } from "./at-rest.ts";

/** What the records of a topic contain, and what is wrong with them. */
export interface TopicReadings {
  /** Versions missing between the lowest and the newest of each entity: `version 3 of <id>`. */
  readonly missing: readonly string[];
  /** Pairs of entity and version that occur more than once, resends left out. */
  readonly duplicates: readonly string[];
  /** Records whose version is below an earlier one of the same entity. */
  readonly outOfOrder: readonly string[];
  /** The same for resends: the entity was changed during the resend. The stream must drop these. */
  readonly supersededResends: readonly string[];
  /** Newest version by entity id, and whether the record is a tombstone. */
  readonly newest: ReadonlyMap<string, { readonly version: number; readonly tombstone: boolean }>;
}

/**
 * Reads records in order of partition and offset. Those without key or version are left out.
 *
 * @param lowest lowest version that each entity must have. Default: the lowest that it has.
 */
export function readings(records: readonly SeenRecord[], lowest?: number): TopicReadings {
  const versions = new Map<string, Set<number>>();
  const newest = new Map<string, { version: number; tombstone: boolean }>();
  const duplicates: string[] = [];
  const outOfOrder: string[] = [];
  const supersededResends: string[] = [];
  for (const { key: id, version, isDelete, isResend } of records) {
    if (!id || !Number.isInteger(version)) continue;
    const before = newest.get(id)?.version ?? 0;
    const what = `version ${version} of ${id}`;
    if (version < before) (isResend ? supersededResends : outOfOrder).push(`${what} after version ${before}`);
    if (version < before && isResend) continue;
    const known = versions.get(id) ?? new Set();
    if (known.has(version) && !isResend) duplicates.push(what);
    versions.set(id, known.add(version));
    if (version >= before) newest.set(id, { version, tombstone: isDelete });
  }
  return {
    missing: [...versions].flatMap(([id, known]) => gaps(id, known, lowest)),
    duplicates,
    outOfOrder,
    supersededResends,
    newest,
  };
}

function gaps(id: string, known: ReadonlySet<number>, lowest = Math.min(...known)): string[] {
  const missing: string[] = [];
  const newest = Math.max(...known);
  for (let version = lowest; version < newest; version++)
    if (!known.has(version)) missing.push(`version ${version} of ${id}`);
  return missing;
}
