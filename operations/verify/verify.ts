/** Compares replicas with the source, range by range, while both go on: digests first, rows only where those differ. */
import type { Redis } from "ioredis";
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { Throttle } from "../throttle.ts";
import type { ComparisonTarget } from "./comparison-target.ts";
import type { Difference } from "./difference.ts";
import { FIRST_ID, nextRange } from "./range.ts";
import { type CacheState, ReplicaComparison } from "./replica-comparison.ts";

/** Rows of the source that one statement reads. */
const RANGE_ROWS = 2_000;

export interface VerifyDeps {
  readonly source: Sql;
  readonly targetFor: (entity: EntityDeclaration, replica: ReplicaDeclaration) => ComparisonTarget;
  /** Undefined: caches are not looked at. */
  readonly redis: Redis | undefined;
}

export interface VerifyOptions {
  /** Part of the time that is spent working, above 0 up to 1; the rest are rests. */
  readonly share: number;
  /** How long a copy may take to hear of what was committed at the end of the comparison, in milliseconds. */
  readonly timeoutMs: number;
  /** Fetch and compare all rows, whatever their digests say. */
  readonly everyRow: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { readonly rows: number; readonly entries: number }) => void;
}

/** What became of one entity in one replica. */
export interface VerifyResult {
  readonly entity: string;
  readonly replica: string;
  /** Rows of the source that were compared. */
  readonly rows: number;
  readonly cache: CacheState;
  /** Entries of the cache that were compared; 0 while the replica itself does not use it. */
  readonly entries: number;
  readonly seconds: number;
  readonly differences: readonly Difference[];
  /** The replica had not heard of everything in time: what it lacks may be on its way, and is not among the differences. */
  readonly behind: boolean;
}

/**
 * Compares some replicas of one entity with the source.
 *
 * @throws {TooDifferentError} when more differs than a list can hold. @throws when a database or the log does not answer, or when
 * `signal` is aborted.
 */
export async function verify(
  deps: VerifyDeps,
  entity: EntityDeclaration,
  replicas: readonly ReplicaDeclaration[],
  options: VerifyOptions,
): Promise<VerifyResult[]> {
  const start = performance.now();
  const each = replicas.map(
    (declared) =>
      new ReplicaComparison({ ...deps, copy: deps.targetFor(entity, declared) }, entity, declared, options.everyRow),
  );
  const pace = new Throttle(options.share, options.signal);
  let rows = 0;
  const tell = () => options.onProgress({ rows, entries: each.reduce((sum, { entries }) => sum + entries, 0) });
  for (let after = FIRST_ID, final = false; !final; ) {
    const range = await nextRange(deps.source, entity, after, RANGE_ROWS);
    await Promise.all(each.map((against) => against.compare(range)));
    rows += range.rows;
    tell();
    ({ last: after, final } = range);
    await pace.rest();
  }
  for (const against of each) await against.compareCache(pace, tell);
  const judge = async (against: ReplicaComparison): Promise<VerifyResult> => {
    const judged = await against.confirm(options.timeoutMs);
    const { cache, entries } = against;
    const seconds = (performance.now() - start) / 1_000;
    return { entity: entity.name, replica: against.replica.name, rows, cache, entries, seconds, ...judged };
  };
  return Promise.all(each.map(judge));
}
