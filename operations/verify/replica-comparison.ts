/** One copy of one entity against the source: collects what may differ range by range, and judges it at the end. */
import type { Redis } from "ioredis";
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import type { Throttle } from "../throttle.ts";
import { compareCache } from "./compare-cache.ts";
import type { ComparisonTarget } from "./comparison-target.ts";
import { confirmDifferences, findDifferences } from "./confirm-differences.ts";
import type { Difference } from "./difference.ts";
import { FIRST_ID, findCandidates, listAllIds, type Range } from "./range.ts";
import { TooManyDifferencesError } from "./too-many-differences.ts";

/** What differs in more than this needs another remedy than a list. */
const MOST_SUSPECTS = 200_000;

/**
 * - compared: every entry that the replica may use was
 * - away: Redis did not answer
 * - left out: nobody asked for it
 */
export type CacheState = "compared" | "away" | "left out";

export class ReplicaComparison {
  private readonly suspected = new Set<EntityId>([FIRST_ID]);
  private inCache: Difference[] = [];
  /** Entries of the cache that were compared. */
  entries = 0;
  cache: CacheState = "left out";

  constructor(
    private readonly deps: {
      readonly source: Sql;
      readonly copy: ComparisonTarget;
      readonly redis: Redis | undefined;
    },
    readonly entity: EntityDeclaration,
    readonly replica: ReplicaDeclaration,
    private readonly everyRow: boolean,
  ) {}

  /**
   * What differs only in its digest, as all does after a column was added or a dump restored, is found equal here and forgotten.
   *
   * @throws {TooManyDifferencesError}
   */
  async compare(range: Range): Promise<void> {
    const { source, copy } = this.deps;
    await copy.refresh?.();
    const ids = await (this.everyRow ? listAllIds : findCandidates)(source, copy, this.entity, range);
    for (const id of (await findDifferences(this.deps, this.entity, this.replica, ids)).keys()) this.suspected.add(id);
    if (this.suspected.size > MOST_SUSPECTS)
      throw new TooManyDifferencesError(this.replica.name, MOST_SUSPECTS, copy.remedy);
  }

  /** The cache, if there is one to ask. A Redis that is away is no difference, and no reason to give up. */
  async compareCache(pace: Throttle, onProgress: () => void): Promise<void> {
    const { copy, redis } = this.deps;
    if (!redis) return;
    const onPage = async (entries: number) => {
      this.entries += entries;
      onProgress();
      await pace.rest();
    };
    try {
      this.inCache = await compareCache({ replica: copy.sql, redis }, this.entity, this.replica, onPage);
      this.cache = "compared";
    } catch (error) {
      if (redis.status === "ready") throw error;
      this.cache = "away";
    }
  }

  /** @param timeoutMs how long the copy may take to hear of what is committed now. */
  async confirm(timeoutMs: number): Promise<{ differences: Difference[]; behind: boolean }> {
    // Where cache and row disagree it may be the row that is wrong.
    for (const { id } of this.inCache) this.suspected.add(id);
    const ids = [...this.suspected];
    const { differences, behind } = await confirmDifferences(this.deps, this.entity, this.replica, ids, timeoutMs);
    const listed = new Set(differences.map(({ id }) => id));
    // A row that is wrong is wrong in the cache too, and mended there with it.
    return { differences: [...differences, ...this.inCache.filter(({ id }) => !listed.has(id))], behind };
  }
}
