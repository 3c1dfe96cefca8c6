/** Saves the last verification of each replica in the source's database, and reads it back. */
import type { Sql } from "../../platform/postgres/connect.ts";
import { type DifferenceKind, differenceKinds } from "./difference.ts";
import { type VerifyResult, verdictOf } from "./verify.ts";

/** The saved result of one entity in one replica. */
export interface LastVerification {
  readonly entity: string;
  readonly replica: string;
  /** When it was saved. */
  readonly at: Date;
  readonly seconds: number;
  readonly rows: number;
  /** Number of differences by kind; empty when there were none. */
  readonly differing: Partial<Record<DifferenceKind, number>>;
  /** True when the replica had not applied all events in time. */
  readonly behind: boolean;
}

/** Number of differences by kind, without kinds that did not occur. */
export function countByKind({ differences }: VerifyResult): Partial<Record<DifferenceKind, number>> {
  const counts = differenceKinds.map((kind) => [kind, differences.filter((d) => d.kind === kind).length] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

/**
 * Replaces the saved results of the same entities and replicas. A result that says neither that the replica differs nor
 * that it is equal or behind is not saved: the one before stays, with its age.
 *
 * @throws {Error} when the source is unavailable.
 */
export async function saveResults(source: Sql, results: readonly VerifyResult[]): Promise<void> {
  for (const result of results) {
    if (verdictOf(result) === "unknown" && !result.behind) continue;
    const { entity, replica, seconds, rows, behind } = result;
    const counts = JSON.stringify(countByKind(result));
    await source`
      insert into lockstep.verifications (entity, replica, at, seconds, rows, differing, behind)
      values (${entity}, ${replica}, now(), ${seconds}, ${rows}, ${counts}::text::jsonb, ${behind})
      on conflict (entity, replica) do update set at = excluded.at, seconds = excluded.seconds, rows = excluded.rows,
        differing = excluded.differing, behind = excluded.behind`;
  }
}

/** All saved results, by entity and replica. @throws {Error} when the source is unavailable. */
export async function readLastVerifications(source: Sql): Promise<LastVerification[]> {
  const rows = await source<(Omit<LastVerification, "rows"> & { rows: string })[]>`
    select entity, replica, at, seconds, rows, differing, behind from lockstep.verifications order by entity, replica`;
  return rows.map((row) => ({ ...row, rows: Number(row.rows) }));
}
