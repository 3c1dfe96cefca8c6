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
import { unknownMembers } from "./mask-keys.ts";
import { ReplicaUnreadableError } from "./query-replica.ts";
import { compareRange, listAllIds, type Range, sampleOf } from "./range.ts";
import { checkVersions, type VersionsStep } from "./recorded-versions.ts";

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

/**
 * The state of one comparison. Call `compare` for each range, then `compareVersions`, `compareCache`
 * and `confirm`. Once the replica
 * cannot be read, `unknown` says why, and the methods do nothing more.
 */
export class ReplicaComparison {
  private readonly candidates = new Set<EntityId>();
  private cacheDifferences: Difference[] = [];
  /** Number of cache entries compared so far. */
  entries = 0;
  cache: CacheState = "left out";
  /** Why it is not known whether the replica is equal: its database cannot be read. */
  unknown: string | undefined;

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

  /** Members whose masks have keys that this process does not know. */
  get notCompared(): string[] {
    return unknownMembers(this.deps.target.replica);
  }

  /**
   * Compares a range by digests, and rows whose digests differ by content. Rows with equal content are dropped here:
   * after a restore from a dump, rows are candidates and equal.
   *
   * @throws {TooManyDifferencesError} above 200,000 candidates.
   * @throws {Error} when the source is unavailable.
   */
  async compare(range: Range): Promise<void> {
    await this.unlessUnreadable(async () => {
      await this.deps.target.refresh?.();
      this.addCandidates(await this.findDiffering(range));
    });
  }

  /**
   * Compares the versions that the replica has recorded without a row. Call it after the last range.
   *
   * @param onStep called after each step.
   * @throws {TooManyDifferencesError} above 200,000 candidates.
   * @throws {Error} when the source is unavailable, or whatever `onStep` throws.
   */
  async compareVersions(onStep: () => Promise<void>): Promise<void> {
    await this.unlessUnreadable(async () => {
      const { source, target } = this.deps;
      for (let after: EntityId | null = ""; after !== null; ) {
        const step: VersionsStep = await checkVersions(source, target, after);
        this.addCandidates((await findDifferences(source, target, step.candidates)).keys());
        after = step.last;
        await onStep();
      }
    });
  }

  private addCandidates(ids: Iterable<EntityId>): void {
    for (const id of ids) this.candidates.add(id);
    if (this.candidates.size > MAX_CANDIDATES)
      throw new TooManyDifferencesError(this.replica, MAX_CANDIDATES, this.deps.target.remedy);
  }

  /** Digests do not cover filters and derived fields. Where they miss a difference in a sample, all rows are compared. */
  private async findDiffering(range: Range): Promise<Iterable<EntityId>> {
    const { source, target } = this.deps;
    const differing = async (ids: readonly EntityId[]) => (await findDifferences(source, target, ids)).keys();
    if (this.everyRow) return differing(await listAllIds(source, target, range));
    const [{ mismatches, inconsistent }, inSample] = await Promise.all([
      compareRange(source, target, range),
      findDifferences(source, target, sampleOf(range)),
    ]);
    const candidates = new Set([...mismatches, ...inconsistent]);
    const hasMissed = [...inSample.keys()].some((id) => !candidates.has(id));
    return differing(hasMissed ? await listAllIds(source, target, range) : [...candidates]);
  }

  /**
   * Compares the cache with the replica's database. When Redis is unavailable, the state says so and the verification
   * goes on.
   *
   * @param onPage called after each page of keys.
   * @throws {Error} when the source is unavailable, or whatever `onPage` throws.
   */
  async compareCache(onPage: () => Promise<void>): Promise<void> {
    const { redis } = this.deps;
    if (redis) await this.unlessUnreadable(() => this.compareWithRedis(redis, onPage));
  }

  private async compareWithRedis(redis: Redis, onPage: () => Promise<void>): Promise<void> {
    const { source, target } = this.deps;
    try {
      this.cacheDifferences = await compareCache({ source, tables: target, redis }, async (entries) => {
        this.entries += entries;
        await onPage();
      });
      this.cache = "compared";
    } catch (error) {
      if (redis.status === "ready" || error instanceof ReplicaUnreadableError) throw error;
      this.cache = "away";
    }
  }

  /**
   * Confirms the candidates of all ranges and of the cache.
   *
   * @param timeoutMs how long the replica may take to apply what is committed now.
   * @returns no differences once the replica cannot be read.
   * @throws {Error} when the source or the log is unavailable.
   */
  async confirm(timeoutMs: number): Promise<ConfirmResult> {
    // Where cache and row differ, the row may be the wrong one.
    for (const { id } of this.cacheDifferences) this.candidates.add(id);
    const { source, target } = this.deps;
    let confirmed: ConfirmResult | undefined;
    await this.unlessUnreadable(async () => {
      confirmed = await confirmDifferences(source, target, [...this.candidates], timeoutMs);
    });
    if (!confirmed) return { differences: [], behind: false, unsettled: 0 };
    const listed = new Set(confirmed.differences.map(({ id }) => id));
    // A wrong row is listed once: its repair also replaces the cache entry.
    const inCache = this.cacheDifferences.filter(({ id }) => !listed.has(id));
    return { ...confirmed, differences: [...confirmed.differences, ...inCache] };
  }

  private async unlessUnreadable(work: () => Promise<void>): Promise<void> {
    if (this.unknown !== undefined) return;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ReplicaUnreadableError)) throw error;
      this.unknown = error.problem;
    }
  }
}
