/** One copy of one entity against the source: collects what may differ range by range, and judges it at the end. */
import type { Redis } from "ioredis";
import type { EntityDeclaration, EntityId, ReplicaDeclaration } from "../../contracts/entity/entity.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import type { Throttle } from "../throttle.ts";
import { wrongEntries } from "./cached.ts";
import { confirm, differing } from "./confirm.ts";
import type { Copy } from "./copy.ts";
import type { Difference } from "./difference.ts";
import { candidates, everyId, FIRST_ID, type Range } from "./range.ts";
import { TooDifferentError } from "./too-different.ts";

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
      readonly copy: Copy;
      readonly redis: Redis | undefined;
    },
    readonly entity: EntityDeclaration,
    readonly declared: ReplicaDeclaration,
    private readonly everyRow: boolean,
  ) {}

  /**
   * What differs only in its digest, as all does after a column was added or a dump restored, is found equal here and forgotten.
   *
   * @throws {TooDifferentError}
   */
  async compare(range: Range): Promise<void> {
    const { source, copy } = this.deps;
    await copy.refresh?.();
    const ids = await (this.everyRow ? everyId : candidates)(source, copy, this.entity, range);
    for (const id of (await differing(this.deps, this.entity, this.declared, ids)).keys()) this.suspected.add(id);
    if (this.suspected.size > MOST_SUSPECTS)
      throw new TooDifferentError(this.declared.name, MOST_SUSPECTS, copy.remedy);
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
      this.inCache = await wrongEntries({ replica: copy.sql, redis }, this.entity, this.declared, onPage);
      this.cache = "compared";
    } catch (error) {
      if (redis.status === "ready") throw error;
      this.cache = "away";
    }
  }

  /** @param timeoutMs how long the copy may take to hear of what is committed now. */
  async judge(timeoutMs: number): Promise<{ differences: Difference[]; behind: boolean }> {
    // Where cache and row disagree it may be the row that is wrong.
    for (const { id } of this.inCache) this.suspected.add(id);
    const ids = [...this.suspected];
    const { differences, behind } = await confirm(this.deps, this.entity, this.declared, ids, timeoutMs);
    const listed = new Set(differences.map(({ id }) => id));
    // A row that is wrong is wrong in the cache too, and mended there with it.
    return { differences: [...differences, ...this.inCache.filter(({ id }) => !listed.has(id))], behind };
  }
}
