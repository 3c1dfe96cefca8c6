/**
 * Compares one replica of one entity with the source: collects candidates range by range, and confirms them at the end.
 */
import type { Redis } from "ioredis";
import type { EntityId } from "../../contracts/entity/document.ts";
import { UserError } from "../../contracts/errors.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { compareCache } from "./compare-cache.ts";
import type { ComparisonTarget } from "./comparison-target.ts";
import { type ConfirmResult, confirmDifferences, findDifferences } from "./confirm-differences.ts";
import type { Difference } from "./difference.ts";
import { FIRST_ID, findCandidates, listAllIds, type Range } from "./range.ts";

/** Above this number of candidates the comparison stops, since a list of all differences would not help the user. */
const MAX_CANDIDATES = 200_000;

/** The replica has too many differences to list and repair one by one. The message says what to do instead. */
export class TooManyDifferencesError extends UserError {
  constructor(replica: string, max: number, remedy: string) {
    super(`more than ${max} entities of ${replica} differ from the source: ${remedy}`, "TOO_MANY_DIFFERENCES");
  }
}

/**
 * - compared: all entries that the replica may use were compared
 * - away: Redis is unavailable
 * - left out: the caller did not ask for it
 */
export type CacheState = "compared" | "away" | "left out";

/** The state of one comparison. Call `compare` for each range, then `compareCache`, then `confirm`. */
export class ReplicaComparison {
  // No range includes the first id, so it is always a candidate.
  private readonly candidates = new Set<EntityId>([FIRST_ID]);
  private cacheDifferences: Difference[] = [];
  /** Number of cache entries compared so far. */
  entries = 0;
  cache: CacheState = "left out";

  constructor(
    private readonly deps: {
      readonly source: Sql;
      readonly target: ComparisonTarget;
      readonly redis: Redis | undefined;
    },
    private readonly everyRow: boolean,
  ) {}

  /** Name of the replica. */
  get replica(): string {
    return this.deps.target.replica.name;
  }

  /**
   * Compares a range by digests, and rows whose digests differ by content. Rows with equal content are dropped here:
   * after a new column or a restore from a dump, all digests differ.
   *
   * @throws {TooManyDifferencesError} above 200,000 candidates.
   * @throws {Error} when a database is unavailable.
   */
  async compare(range: Range): Promise<void> {
    const { source, target } = this.deps;
    await target.refresh?.();
    const ids = await (this.everyRow ? listAllIds : findCandidates)(source, target, range);
    for (const id of (await findDifferences(source, target, ids)).keys()) this.candidates.add(id);
    if (this.candidates.size > MAX_CANDIDATES)
      throw new TooManyDifferencesError(this.replica, MAX_CANDIDATES, target.remedy);
  }

  /**
   * Compares the cache with the replica's database. When Redis is unavailable, the state says so and the verification
   * goes on.
   *
   * @param onPage called after each page of keys.
   * @throws {Error} when the database is unavailable, or whatever `onPage` throws.
   */
  async compareCache(onPage: () => Promise<void>): Promise<void> {
    const { target, redis } = this.deps;
    if (!redis) return;
    try {
      this.cacheDifferences = await compareCache({ ...target, redis }, async (entries) => {
        this.entries += entries;
        await onPage();
      });
      this.cache = "compared";
    } catch (error) {
      if (redis.status === "ready") throw error;
      this.cache = "away";
    }
  }

  /**
   * Confirms the candidates of all ranges and of the cache.
   *
   * @param timeoutMs how long the replica may take to apply what is committed now.
   * @throws {Error} when a database or the log is unavailable.
   */
  async confirm(timeoutMs: number): Promise<ConfirmResult> {
    // Where cache and row differ, the row may be the wrong one.
    for (const { id } of this.cacheDifferences) this.candidates.add(id);
    const { source, target } = this.deps;
    const { differences, behind } = await confirmDifferences(source, target, [...this.candidates], timeoutMs);
    const listed = new Set(differences.map(({ id }) => id));
    // A wrong row is listed once: its repair also replaces the cache entry.
    return { differences: [...differences, ...this.cacheDifferences.filter(({ id }) => !listed.has(id))], behind };
  }
}
