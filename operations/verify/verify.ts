/**
 * Compares replicas with the source, range by range, while both change: digests first, and rows only where digests
 * differ.
 */
import type { Redis } from "ioredis";
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { ConnectionError } from "../connect.ts";
import { Throttle } from "../throttle.ts";
import { SourceUnreadableError, sourceKey, type TableKey } from "./compared-columns.ts";
import type { ComparisonTarget } from "./comparison-target.ts";
import type { Difference } from "./difference.ts";
import { nextRange, type Range } from "./range.ts";
import { type CacheState, ReplicaComparison } from "./replica-comparison.ts";

/** Rows of the source in one range. */
const RANGE_ROWS = 2_000;

/** The collaborators of a verification. */
export interface VerifyDeps {
  readonly source: Sql;
  readonly targetFor: (entity: EntityDeclaration, replica: ReplicaDeclaration) => ComparisonTarget;
  /** Undefined: the caches are not compared. */
  readonly redis: Redis | undefined;
}

/** Settings of a verification. */
export interface VerifyOptions {
  /** Part of the time that is spent working, above 0 up to 1. */
  readonly share: number;
  /** How long a replica may take to apply what is committed at the end of the comparison, in milliseconds. */
  readonly timeoutMs: number;
  /** Compares every row by content, also where digests are equal. */
  readonly everyRow: boolean;
  /** Ends the verification with the signal's reason. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { readonly rows: number; readonly entries: number }) => void;
}

/** The result for one entity in one replica. */
export interface VerifyResult {
  readonly entity: string;
  readonly replica: string;
  /** Rows of the source that were compared. */
  readonly rows: number;
  readonly cache: CacheState;
  /** Cache entries that were compared; 0 while the replica does not use its cache. */
  readonly entries: number;
  readonly seconds: number;
  readonly differences: readonly Difference[];
  /** True when the replica did not catch up in time. What it lacks may be in flight, and is not in `differences`. */
  readonly behind: boolean;
  /** Number of entities that were written during every comparison. They are left to the next verification. */
  readonly unsettled: number;
  /** Members that were not compared, since the keys of their masks are not known. Missing: there is none. */
  readonly notCompared?: readonly string[];
  /** Why the replica could not be compared: its database cannot be read. Null: it was compared. */
  readonly unknown: string | null;
}

/**
 * - equal: everything was compared, and nothing differs
 * - differs: something differs, whatever else could not be compared
 * - unknown: nothing differs as far as it was compared; the replica is behind, it or its cache could not be read, or the
 *   key of a mask is not known
 */
export type Verdict = "equal" | "differs" | "unknown";

/** What a result says about its replica. */
export function verdictOf({
  differences,
  behind,
  unknown,
  cache,
  notCompared = [],
}: Pick<VerifyResult, "differences" | "behind" | "unknown" | "cache" | "notCompared">): Verdict {
  if (differences.length > 0) return "differs";
  if (notCompared.length > 0) return "unknown";
  return behind || unknown !== null || cache === "away" ? "unknown" : "equal";
}

/**
 * Compares replicas of one entity with the source. A replica that cannot be read does not stop the others.
 *
 * @throws {TooManyDifferencesError} when a replica has more differences than a list can hold.
 * @throws {Error} when the source or the log is unavailable; the signal's reason when it aborts.
 */
export async function verify(
  deps: VerifyDeps,
  entity: EntityDeclaration,
  replicas: readonly ReplicaDeclaration[],
  { share, timeoutMs, everyRow, signal, onProgress }: VerifyOptions,
): Promise<VerifyResult[]> {
  const start = performance.now();
  const unknown: VerifyResult[] = [];
  const comparisons: ReplicaComparison[] = [];
  for (const replica of replicas)
    try {
      comparisons.push(new ReplicaComparison({ ...deps, target: deps.targetFor(entity, replica) }, everyRow));
    } catch (error) {
      // The replica's address is not known: the others are compared nevertheless.
      if (!(error instanceof ConnectionError)) throw error;
      unknown.push(unknownResult(entity, replica, error.message));
    }
  const throttle = new Throttle({ share }, signal);
  let rows = 0;
  let key: TableKey;
  try {
    key = await sourceKey(deps.source, entity);
  } catch (error) {
    // The source's table is not the declared one. Other entities are compared nevertheless.
    if (!(error instanceof SourceUnreadableError)) throw error;
    return replicas.map((replica) => unknownResult(entity, replica, error.message));
  }
  const finishPortion = async () => {
    onProgress({ rows, entries: comparisons.reduce((sum, { entries }) => sum + entries, 0) });
    await throttle.wait();
    signal.throwIfAborted();
  };
  for (let after: EntityId | null | undefined; after !== null; ) {
    const range: Range = await nextRange(deps.source, key, after ?? null, RANGE_ROWS);
    await Promise.all(comparisons.map((comparison) => comparison.compare(range)));
    rows += range.ids.length;
    after = range.last;
    await finishPortion();
  }
  for (const comparison of comparisons) {
    await comparison.compareVersions(finishPortion);
    await comparison.compareCache(finishPortion);
  }
  const compared = await Promise.all(
    comparisons.map(async (comparison) => {
      const confirmed = await comparison.confirm(timeoutMs);
      const { replica, cache, entries, unknown = null } = comparison;
      const seconds = (performance.now() - start) / 1_000;
      const result = { entity: entity.name, replica, rows, cache, entries, seconds, ...confirmed, unknown };
      const notCompared = comparison.notCompared;
      return notCompared.length > 0 ? { ...result, notCompared } : result;
    }),
  );
  return [...compared, ...unknown];
}

const unknownResult = (entity: EntityDeclaration, replica: ReplicaDeclaration, unknown: string): VerifyResult => ({
  entity: entity.name,
  replica: replica.name,
  rows: 0,
  cache: "left out",
  entries: 0,
  seconds: 0,
  differences: [],
  behind: false,
  unsettled: 0,
  unknown,
});
